import CofferCore
import CofferVault
import Testing

/// A admission with a clock, and short forms.
private struct Bench {
    var admission: AdmissionState
    var now = BootInstant.at(0)
    let random = FixedRandom(0.5)
    private var lastID: UInt64 = 0

    init(_ change: (inout VaultLimits) -> Void = { _ in }) {
        var limits = VaultLimits()
        change(&limits)
        admission = AdmissionState(vault: "v", limits: limits)
    }

    var health: VaultHealth { admission.health(kind: "test", now: now) }

    mutating func enter(deadline: Double = 1_000) -> AdmissionState.Entry {
        lastID += 1
        return admission.enqueue(lastID, deadline: .at(deadline), now: now, random: random)
    }

    mutating func pass() throws -> CircuitBreaker.Pass {
        guard case .go(let pass) = enter() else { throw Failure.internalError("no place") }
        return pass
    }

    mutating func refusal(deadline: Double = 1_000) -> Failure? {
        guard case .refused(let failure) = enter(deadline: deadline) else { return nil }
        return failure
    }

    @discardableResult
    mutating func leave(
        _ pass: CircuitBreaker.Pass, _ failure: Failure? = nil, hasAnswer: Bool = false, began: BootInstant? = nil,
        allowance: Duration = .seconds(5)
    ) -> [AdmissionState.Wake] {
        let attempt = AdmissionState.Attempt(
            pass: pass, failure: failure, hasAnswer: hasAnswer, began: began ?? now, allowance: allowance)
        return admission.leave(attempt, now: now, wall: 1_700_000_000_000, random: random)
    }

    mutating func open(_ failure: Failure = .unavailable) throws {
        for _ in 0..<5 { leave(try pass(), failure) }
    }
}

extension AdmissionState.Wake {
    fileprivate var failure: Failure? {
        if case .failure(let failure) = result { failure } else { nil }
    }
}

@Suite struct AdmissionStateTests {
    @Test func placesThenQueueThenNothing() throws {
        var bench = Bench {
            $0.admission.maximum = 2
            $0.maximumQueued = 2
        }
        let first = try bench.pass()
        _ = try bench.pass()
        for _ in 0..<2 {
            guard case .wait = bench.enter() else { throw Failure.internalError("not queued") }
        }
        let refused = bench.refusal()
        #expect(
            refused
                == Failure(
                    .resourceExhausted, .limit,
                    "2 calls are at the vault and 2 wait, which is the limit; try later, or raise the vault's limits",
                    vault: "v", retryable: true, retryAfterMilliseconds: 62, isUnsent: true))
        #expect(bench.leave(first).map(\.id) == [3])
        let health = bench.health
        #expect(health.inFlight == 2 && health.queued == 1 && health.peakInFlight == 2)
        #expect(health.calls == 3 && health.rejected == 1)
    }

    @Test func nobodyOvertakesTheQueue() throws {
        var bench = Bench { $0.admission.maximum = 1 }
        var pass = try bench.pass()
        for _ in 0..<50 { _ = bench.enter() }
        for id in 2...51 as ClosedRange<UInt64> {
            let wakes = bench.leave(pass)
            #expect(wakes.map(\.id) == [id])
            pass = try #require(try? wakes.first?.result.get())
        }
    }

    @Test func whoWaitsTooLongIsToldSo() throws {
        var bench = Bench { $0.admission.maximum = 1 }
        _ = try bench.pass()
        _ = bench.enter(deadline: 3)
        _ = bench.enter(deadline: 2)
        #expect(bench.admission.nextTurn(after: bench.now) == .at(2))
        bench.now = .at(2)
        let wakes = bench.admission.turn(now: bench.now)
        #expect(wakes.map(\.id) == [3])
        #expect(
            wakes.first?.failure
                == Failure(
                    .deadlineExceeded, .deadline,
                    "the time given ran out after 2s of waiting for a slot at the vault; nothing was done",
                    vault: "v", retryable: true, isUnsent: true))
        #expect(bench.refusal(deadline: 2)?.code == .deadlineExceeded)
    }

    /// Half a minute the first time, so that seconds are told apart.
    private static let longRest: @Sendable (inout VaultLimits) -> Void = { limits in
        limits.breaker.rest = .seconds(30)
        limits.breaker.maximumRest = .seconds(300)
    }

    /// Who is refused for a tenth of a second is not told to stay away for longer.
    @Test func theAdviceFitsTheRest() throws {
        var bench = Bench()
        try bench.open()
        #expect(bench.refusal()?.retryAfterMilliseconds == 150)
        bench.now = .at(0.1)
        _ = try bench.pass()
        #expect(bench.refusal()?.retryAfterMilliseconds == 100)
    }

    /// A quota of the vault's is no outage: who is within it is served.
    @Test func aRateLimitShutsNobodyOut() throws {
        let limited = Failure(.resourceExhausted, .limit, "too many", retryable: true, retryAfterMilliseconds: 9_000)
        var bench = Bench()
        for _ in 0..<1_000 { bench.leave(try bench.pass(), limited) }
        let health = bench.health
        #expect(health.breaker == .closed && health.isReachable == true && !health.isRecovering)
        #expect(health.failures == 1_000 && health.lastFailure == limited)
    }

    @Test func anOpenBreakerSaysWhatToCheck() throws {
        var bench = Bench(Self.longRest)
        try bench.open()
        bench.now = .at(7)
        let refused = bench.refusal()
        #expect(
            refused
                == Failure(
                    .unavailable, .vaultUnreachable,
                    "the vault is not asked for another 23s (breaker open for 7s): it kept failing; check that it runs and that this host reaches it (last: UNAVAILABLE, it does not answer)",
                    vault: "v", retryable: true, retryAfterMilliseconds: 23_500, isUnsent: true))
        bench.now = .at(30)
        _ = try bench.pass()
        let second = bench.refusal()
        #expect(
            second
                == Failure(
                    .unavailable, .vaultUnreachable,
                    "the vault kept failing; one call is testing whether it answers again (last: UNAVAILABLE, it does not answer)",
                    vault: "v", retryable: true, retryAfterMilliseconds: 1_000, isUnsent: true))
    }

    @Test func mistrustSaysSo() throws {
        var bench = Bench()
        try bench.open(.mistrust)
        let refused = bench.refusal()
        #expect(
            refused?.message
                == "the vault is not asked for another 300s: it could not prove who it is; correct what the last failure says (last: FAILED_PRECONDITION, the certificate does not verify)"
        )
        #expect(refused?.retryAfterMilliseconds == 300_500)
    }

    @Test func whenItOpensEverybodyWhoWaitsIsToldAtOnce() throws {
        var bench = Bench {
            Self.longRest(&$0)
            $0.admission.maximum = 5
        }
        let passes = try (0..<5).map { _ in try bench.pass() }
        for _ in 0..<3 { _ = bench.enter() }
        var wakes: [AdmissionState.Wake] = []
        for (index, pass) in passes.enumerated() where index < 2 { wakes += bench.leave(pass, .unavailable) }
        // Two failures let two of the queue in; the third waits on.
        #expect(wakes.map(\.id) == [6, 7])
        for pass in passes[2...] { wakes += bench.leave(pass, .unavailable) }
        #expect(wakes.map(\.id) == [6, 7, 8])
        #expect(bench.health.breaker == .open(since: .at(0), until: .at(30)))

        var other = Bench {
            Self.longRest(&$0)
            $0.admission.maximum = 1
        }
        for _ in 0..<4 { other.leave(try other.pass(), .unavailable) }
        let last = try other.pass()
        for _ in 0..<3 { _ = other.enter() }
        let told = other.leave(last, .unavailable)
        #expect(told.count == 3)
        #expect(told.allSatisfy { $0.failure?.code == .unavailable && $0.failure?.retryAfterMilliseconds == 30_500 })
        #expect(other.admission.nextTurn(after: other.now) == nil)
    }

    @Test func theProbeNeedsNoPlace() throws {
        var bench = Bench { $0.admission.maximum = 6 }
        let hanging = try bench.pass()
        try bench.open()
        bench.now = .at(30)
        let probe = try bench.pass()
        #expect(probe.isProbe)
        bench.leave(probe)
        #expect(bench.health.breaker == .closed)
        #expect(bench.health.limit == 4)
        #expect(bench.health.isRecovering)
        bench.leave(hanging, .unavailable)
        #expect(bench.health.inFlight == 0)
    }

    @Test func whoWasToldToComeBackLaterIsExpectedThen() throws {
        var bench = Bench(Self.longRest)
        try bench.open()
        #expect(bench.refusal()?.retryAfterMilliseconds == 30_500)
        bench.now = .at(10)
        let random = FixedRandom(0.5)
        _ = bench.admission.noteCheck(nil, allowance: .seconds(5), now: bench.now, wall: 0, random: random)
        bench.leave(try bench.pass())
        #expect(bench.health.breaker == .closed)
        // Those of the first moments come until 31, and 5 s of calm end it.
        bench.now = .at(35.9)
        #expect(bench.health.isRecovering)
        bench.now = .at(36)
        #expect(!bench.health.isRecovering)
    }

    @Test func callersInAHurryShutNobodyOut() throws {
        var bench = Bench()
        for _ in 0..<20 {
            bench.leave(try bench.pass(), .deadlineExceeded(vault: "v"), allowance: .milliseconds(999))
        }
        #expect(bench.health.breaker == .closed)
        #expect(bench.health.isReachable == nil)
        for _ in 0..<5 { bench.leave(try bench.pass(), .deadlineExceeded(vault: "v"), allowance: .seconds(1)) }
        #expect(bench.health.breaker != .closed)
    }

    @Test func aPartOfAnAnswerIsAnAnswer() throws {
        var bench = Bench()
        for _ in 0..<20 { bench.leave(try bench.pass(), .unavailable, hasAnswer: true) }
        #expect(bench.health.breaker == .closed)
        #expect(bench.health.isReachable == true)
    }

    @Test func healthSaysWhatCallsHaveShown() throws {
        var bench = Bench()
        #expect(bench.health.isReachable == nil)
        #expect(bench.health.lastGoodContact == 0)
        bench.now = .at(1)
        bench.leave(try bench.pass(), began: .at(0.996))
        #expect(bench.health.latencyMicroseconds == 4_000)
        bench.leave(try bench.pass(), .versionMismatch, began: .at(0.988))
        #expect(bench.health.latencyMicroseconds == 5_000)
        bench.leave(try bench.pass(), .unavailable)
        let health = bench.health
        #expect(health.isReachable == false)
        #expect(health.lastGoodContact == 1_700_000_000_000)
        #expect(health.lastFailure == .unavailable)
        #expect(health.calls == 3 && health.failures == 1 && health.refusedFor == .zero)
        for _ in 0..<4 { bench.leave(try bench.pass(), .unavailable) }
        #expect(bench.health.refusedFor == .milliseconds(100))
    }
}
