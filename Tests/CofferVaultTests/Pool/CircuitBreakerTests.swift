import CofferCore
import CofferVault
import Testing

@Suite struct CircuitBreakerTests {
    private let middle = FixedRandom(0.5)

    /// Fails `count` calls in a row, each at `now`.
    private func fail(
        _ breaker: inout CircuitBreaker, _ count: Int, _ outcome: VaultOutcome = .transient, at now: BootInstant
    ) throws {
        for _ in 0..<count {
            let pass = try begin(&breaker, at: now)
            _ = breaker.end(pass, outcome, at: now, random: middle)
        }
    }

    private func begin(_ breaker: inout CircuitBreaker, at now: BootInstant) throws -> CircuitBreaker.Pass {
        let pass = breaker.begin(at: now)
        return try #require(pass)
    }

    private func end(_ state: CircuitBreaker.State) -> Double? {
        if case .open(_, let until) = state { until.secondsSinceStart } else { nil }
    }

    @Test func opensAfterFiveFailuresInARow() throws {
        var breaker = CircuitBreaker()
        try fail(&breaker, 4, at: .at(0))
        #expect(breaker.state == .closed)
        try fail(&breaker, 1, at: .at(1))
        #expect(breaker.state == .open(since: .at(1), until: .at(1.1)))
        #expect(breaker.begin(at: .at(1.09)) == nil)
        #expect(breaker.begin(at: .at(1.1))?.isProbe == true)
    }

    @Test func anyAnswerInBetweenStartsTheCountAgain() throws {
        var breaker = CircuitBreaker()
        for _ in 0..<10 {
            try fail(&breaker, 4, at: .at(0))
            try fail(&breaker, 1, .answered, at: .at(0))
        }
        #expect(breaker.state == .closed)
    }

    @Test func whatSaysNothingNeitherCountsNorHelps() throws {
        var breaker = CircuitBreaker()
        for _ in 0..<4 {
            try fail(&breaker, 1, at: .at(0))
            try fail(&breaker, 3, .silent, at: .at(0))
        }
        #expect(breaker.state == .closed)
        try fail(&breaker, 1, at: .at(0))
        #expect(breaker.state != .closed)
    }

    @Test func exactlyOneCallProbes() throws {
        var breaker = CircuitBreaker()
        try fail(&breaker, 5, at: .at(0))
        let probe = try begin(&breaker, at: .at(30))
        #expect(probe.isProbe)
        #expect(breaker.state == .halfOpen(since: .at(30)))
        #expect(breaker.begin(at: .at(30)) == nil)
        #expect(breaker.begin(at: .at(3_000)) == nil)
        #expect(breaker.end(probe, .answered, at: .at(31), random: middle) == .closed)
        #expect(breaker.state == .closed)
        #expect(breaker.begin(at: .at(31))?.isProbe == false)
    }

    @Test func restsDoubleToTheLimit() throws {
        var breaker = CircuitBreaker()
        try fail(&breaker, 5, at: .at(0))
        var now = 0.0
        // The longest is only ever made longer: 30 s and half of a fifth.
        for expected in [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 33, 33, 33] {
            let length = try #require(end(breaker.state)) - now
            #expect(abs(length - expected) < 1e-4, "\(length)")
            now += length + 1e-6
            let probe = try begin(&breaker, at: .at(now))
            #expect(breaker.end(probe, .transient, at: .at(now), random: middle) == .opened)
        }
    }

    /// A blip costs about what it lasts: the vault is asked again soon after its return.
    @Test(arguments: [0.05, 0.3, 0.6, 2, 10, 60], 0..<20 as Range<UInt64>)
    func anOutageCostsAboutWhatItLasts(length: Double, seed: UInt64) throws {
        let random = SeededRandom(seed)
        var breaker = CircuitBreaker()
        var now = 0.0
        var change = CircuitBreaker.Change.none
        for _ in 0..<1_000 where change != .closed {
            // Somebody asks every millisecond, or as soon as it is let through.
            if case .open(_, let until) = breaker.state { now = until.secondsSinceStart + 1e-6 } else { now += 0.001 }
            let pass = try begin(&breaker, at: .at(now))
            change = breaker.end(pass, now < length ? .transient : .answered, at: .at(now), random: random)
        }
        #expect(change == .closed)
        #expect(now <= length + min(37, max(0.15, 1.8 * length)), "open until \(now)")
    }

    @Test(arguments: [(0.0, 0.08), (0.5, 0.1), (0.999999, 0.12)])
    func restsDifferByAFifth(random: Double, expected: Double) throws {
        var breaker = CircuitBreaker()
        for _ in 0..<5 {
            let pass = try begin(&breaker, at: .at(0))
            _ = breaker.end(pass, .transient, at: .at(0), random: FixedRandom(random))
        }
        #expect(abs(try #require(end(breaker.state)) - expected) < 0.001)
    }

    @Test(arguments: [(0.0, 30.0), (0.5, 33), (0.999999, 36)])
    func theLongestIsNeverShortened(random: Double, expected: Double) throws {
        var breaker = CircuitBreaker()
        try fail(&breaker, 5, at: .at(0))
        for second in 1...12 {
            let probe = try begin(&breaker, at: .at(100 * Double(second)))
            _ = breaker.end(probe, .transient, at: .at(100 * Double(second)), random: FixedRandom(random))
        }
        #expect(abs(try #require(end(breaker.state)) - 1_200 - expected) < 0.001)
    }

    /// One that refuses because it has no room for the call is no vault that is away.
    @Test func aLimitOfTheRateNeverOpensIt() throws {
        var breaker = CircuitBreaker()
        try fail(&breaker, 4, at: .at(0))
        try fail(&breaker, 1_000, .limited, at: .at(0))
        try fail(&breaker, 4, at: .at(0))
        #expect(breaker.state == .closed)
        for _ in 0..<100 { #expect(breaker.noteCheck(.limited, at: .at(0), random: middle) == .none) }
        try fail(&breaker, 5, at: .at(0))
        let probe = try begin(&breaker, at: .at(1))
        #expect(breaker.end(probe, .limited, at: .at(1), random: middle) == .closed)
    }

    @Test func aVaultThatIsNotTrustedIsAskedEveryFiveMinutes() throws {
        var breaker = CircuitBreaker()
        try fail(&breaker, 5, .mistrusted, at: .at(0))
        #expect(breaker.state == .open(since: .at(0), until: .at(300)))
        let probe = try begin(&breaker, at: .at(300))
        _ = breaker.end(probe, .mistrusted, at: .at(300), random: middle)
        #expect(breaker.state == .open(since: .at(300), until: .at(600)))
    }

    @Test func callsThatBeganBeforeItOpenedChangeNothing() throws {
        var breaker = CircuitBreaker()
        let late = try (0..<60).map { _ in try begin(&breaker, at: .at(0)) }
        try fail(&breaker, 5, at: .at(0))
        for (index, pass) in late.enumerated() {
            let outcome: VaultOutcome = index.isMultiple(of: 2) ? .transient : .answered
            #expect(breaker.end(pass, outcome, at: .at(5), random: middle) == .none)
        }
        #expect(breaker.state == .open(since: .at(0), until: .at(0.1)))
        let probe = try begin(&breaker, at: .at(30))
        #expect(breaker.end(late[0], .answered, at: .at(30), random: middle) == .none)
        #expect(breaker.state == .halfOpen(since: .at(30)))
        #expect(breaker.end(probe, .answered, at: .at(30), random: middle) == .closed)
    }

    @Test func aProbeThatTellsNothingIsOneInVain() throws {
        var breaker = CircuitBreaker()
        try fail(&breaker, 5, at: .at(0))
        let probe = try begin(&breaker, at: .at(30))
        #expect(breaker.end(probe, .silent, at: .at(30), random: middle) == .none)
        #expect(breaker.begin(at: .at(30.19)) == nil)
        #expect(breaker.nextCheck == .at(30.2))
        #expect(breaker.begin(at: .at(30.2))?.isProbe == true)
    }

    @Test func aCheckTakesTheTurnOfACall() throws {
        var breaker = CircuitBreaker()
        breaker.beginCheck(at: .at(0), random: middle)
        #expect(breaker.nextCheck == nil)
        try fail(&breaker, 5, at: .at(0))
        #expect(breaker.nextCheck == .at(0.1))
        breaker.beginCheck(at: .at(20), random: middle)
        #expect(breaker.noteCheck(.transient, at: .at(25), random: middle) == .none)
        #expect(breaker.begin(at: .at(20.19)) == nil)
        #expect(breaker.nextCheck == .at(20.2))
        #expect(breaker.begin(at: .at(20.2))?.isProbe == true)
        #expect(breaker.nextCheck == nil)
    }

    @Test func aVaultThatFailsAgainSoonRestsLonger() throws {
        for (pause, expected) in [(0.5, 0.2), (4.9, 0.2), (5, 0.1), (1_000, 0.1)] {
            var breaker = CircuitBreaker()
            try fail(&breaker, 5, at: .at(0))
            let probe = try begin(&breaker, at: .at(30))
            _ = breaker.end(probe, .answered, at: .at(30), random: middle)
            try fail(&breaker, 5, at: .at(30 + pause))
            #expect(abs(try #require(end(breaker.state)) - 30 - pause - expected) < 1e-6)
        }
    }

    @Test func aGoodCheckLetsTheNextCallProbe() throws {
        var breaker = CircuitBreaker()
        try fail(&breaker, 5, at: .at(0))
        #expect(breaker.noteCheck(.transient, at: .at(0.05), random: middle) == .none)
        #expect(breaker.begin(at: .at(0.05)) == nil)
        #expect(breaker.noteCheck(.answered, at: .at(0.06), random: middle) == .none)
        #expect(breaker.begin(at: .at(0.06))?.isProbe == true)
        #expect(breaker.begin(at: .at(0.06)) == nil)
    }

    @Test func checksCountWhileItIsClosed() {
        var breaker = CircuitBreaker()
        for _ in 0..<4 { #expect(breaker.noteCheck(.transient, at: .at(0), random: middle) == .none) }
        #expect(breaker.noteCheck(.answered, at: .at(0), random: middle) == .none)
        for _ in 0..<4 { #expect(breaker.noteCheck(.transient, at: .at(0), random: middle) == .none) }
        #expect(breaker.noteCheck(.transient, at: .at(0), random: middle) == .opened)
    }

    /// Whatever happens in whatever order: no pass while it rests, never two
    /// probes at a time, and rests keep to their limits.
    @Test(arguments: 0..<60 as Range<UInt64>) func keepsItsRules(seed: UInt64) throws {
        let random = SeededRandom(seed)
        var breaker = CircuitBreaker()
        var now = BootInstant.at(0)
        var out: [CircuitBreaker.Pass] = []
        var probe: CircuitBreaker.Pass?
        let outcomes: [VaultOutcome] = [.answered, .transient, .transient, .limited, .mistrusted, .silent]
        for _ in 0..<1_000 {
            now = now + .milliseconds(Int64(random.unit() * 4_000))
            let before = breaker.state
            if random.unit() < 0.5 {
                guard let pass = breaker.begin(at: now) else {
                    #expect(before != .closed)
                    continue
                }
                if case .open(_, let until) = before { #expect(until <= now && pass.isProbe && probe == nil) }
                if case .halfOpen = before { Issue.record("a second call while one probes") }
                if pass.isProbe { probe = pass }
                out.append(pass)
            } else if !out.isEmpty {
                let pass = out.remove(at: Int(random.unit() * Double(out.count)))
                let outcome = outcomes[Int(random.unit() * 6)]
                let change = breaker.end(pass, outcome, at: now, random: random)
                if pass == probe { probe = nil }
                #expect((change == .closed) == (breaker.state == .closed && before != .closed))
                if change == .opened, case .open(let since, let until) = breaker.state {
                    #expect(since == now)
                    let rest = until.milliseconds(since: since)
                    #expect((79...360_000).contains(rest))
                }
            }
        }
    }
}
