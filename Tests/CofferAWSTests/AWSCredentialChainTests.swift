import CofferCore
import CofferVaultConformance
import CofferVaultKit
import Synchronization
import Testing

@testable import CofferAWS

/// When credentials are looked for again, on a clock that stands still.
@Suite struct AWSCredentialChainTests {
    private final class Source: Sendable {
        let clock = ManualClock()
        /// Minutes that what it gives lasts; nil = it fails.
        let life = Mutex<Int?>(60)
        let calls = Mutex(0)
        let isHeld = Mutex(false)

        func chain() -> AWSCredentialChain {
            AWSCredentialChain(clock: AWSClock(clock), vault: "cloud") { _ throws(Failure) in try await self.find() }
        }

        private func find() async throws(Failure) -> AWSCredentials {
            let number = calls.withLock { calls in
                calls += 1
                return calls
            }
            while isHeld.withLock({ $0 }) { try? await Task.sleep(for: .milliseconds(1)) }
            guard let life = life.withLock({ $0 }) else { throw .awsCredentials("no", vault: "cloud") }
            return AWSCredentials(
                accessKeyID: "KEY\(number)", secretAccessKey: Secret("s"),
                expiresAt: WallMilliseconds(Int(clock.wall) + life * 60_000))
        }

        func advance(minutes: UInt64) { clock.advance(milliseconds: minutes * 60_000) }
        func live(_ minutes: Int?) { life.withLock { $0 = minutes } }
        func hold(_ isHeld: Bool) { self.isHeld.withLock { $0 = isHeld } }
        var count: Int { calls.withLock { $0 } }
    }

    private let source = Source()

    private func key(_ chain: AWSCredentialChain) async throws -> String {
        try await chain.credentials(deadline: source.clock.boot + .seconds(20)).accessKeyID
    }

    /// Waits for what goes on in the background.
    private func settles(_ chain: AWSCredentialChain, on expected: String) async throws {
        for _ in 0..<10_000 {
            if try await key(chain) == expected { return }
            try await Task.sleep(for: .milliseconds(1))
        }
        Issue.record("the credentials were not replaced by \(expected)")
    }

    @Test func oneSearchForAll() async throws {
        source.hold(true)
        let chain = source.chain()
        let keys = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<50 { group.addTask { try await key(chain) } }
            group.addTask {
                try await Task.sleep(for: .milliseconds(50))
                source.hold(false)
                return "KEY1"
            }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(keys == ["KEY1"] && source.count == 1)
    }

    @Test func aReloadSearchesAnewAndKeepsWhatItHasIfThatFails() async throws {
        let chain = source.chain()
        let deadline = source.clock.boot + .seconds(20)
        #expect(try await chain.reload(deadline: deadline) == false)
        #expect(source.count == 0, "nobody has asked for credentials yet")
        #expect(try await key(chain) == "KEY1")
        #expect(try await chain.reload(deadline: deadline))
        #expect(try await key(chain) == "KEY2")
        source.live(nil)
        await #expect(throws: Failure.self) { try await chain.reload(deadline: deadline) }
        #expect(try await key(chain) == "KEY2")
    }

    /// A search that began before may have read what was there before.
    @Test func aReloadDuringASearchSearchesOnceMore() async throws {
        let chain = source.chain()
        #expect(try await key(chain) == "KEY1")
        source.advance(minutes: 46)
        source.hold(true)
        #expect(try await key(chain) == "KEY1", "others are looked for in the background")
        while source.count < 2 { await Task.yield() }
        async let reloaded = chain.reload(deadline: source.clock.boot + .seconds(20))
        try await Task.sleep(for: .milliseconds(20))
        source.hold(false)
        #expect(try await reloaded)
        #expect(try await key(chain) == "KEY3" && source.count == 3)
    }

    @Test func isKeptUntilAQuarterOfAnHourBefore() async throws {
        let chain = source.chain()
        #expect(try await key(chain) == "KEY1")
        source.advance(minutes: 44)
        #expect(try await key(chain) == "KEY1" && source.count == 1)
        // From here on it is replaced in the background, by one caller.
        source.advance(minutes: 1)
        source.hold(true)
        for _ in 0..<5 { #expect(try await key(chain) == "KEY1") }
        source.hold(false)
        try await settles(chain, on: "KEY2")
        #expect(source.count == 2)
    }

    @Test func allWaitTenMinutesBefore() async throws {
        let chain = source.chain()
        _ = try await key(chain)
        source.advance(minutes: 50)
        #expect(try await key(chain) == "KEY2")
    }

    /// Of a life of 12 minutes the last quarter and the last sixth count.
    @Test func shortLivesScaleDown() async throws {
        source.live(12)
        let chain = source.chain()
        _ = try await key(chain)
        source.advance(minutes: 8)
        #expect(try await key(chain) == "KEY1" && source.count == 1)
        source.advance(minutes: 1)
        source.hold(true)
        #expect(try await key(chain) == "KEY1")
        source.hold(false)
        try await settles(chain, on: "KEY2")
        source.advance(minutes: 10)
        #expect(try await key(chain) == "KEY3")
    }

    @Test func aFailingSourceHarmsOnlyWhenTheyHaveExpired() async throws {
        let chain = source.chain()
        _ = try await key(chain)
        source.live(nil)
        source.advance(minutes: 51)
        #expect(try await key(chain) == "KEY1")
        // It is left alone for half a minute then.
        let asked = source.count
        #expect(try await key(chain) == "KEY1" && source.count == asked)
        source.advance(minutes: 1)
        #expect(try await key(chain) == "KEY1" && source.count == asked + 1)
        source.advance(minutes: 9)
        await #expect(throws: Failure.self) { try await key(chain) }
        source.live(60)
        source.advance(minutes: 1)
        #expect(try await key(chain).hasPrefix("KEY"))
    }

    @Test func usesWhatItHasWhileASearchHangs() async throws {
        let chain = source.chain()
        _ = try await key(chain)
        source.hold(true)
        defer { source.hold(false) }
        source.advance(minutes: 55)
        let begin = ContinuousClock.now
        #expect(try await key(chain) == "KEY1")
        #expect(ContinuousClock.now - begin < .seconds(10) && source.count == 2)
        // Nor does the next one wait at all.
        for _ in 0..<1_000 { #expect(try await key(chain) == "KEY1") }
    }

    @Test func searchesOnceASecondWhileTheyAreRefused() async throws {
        source.live(nil)
        let chain = source.chain()
        for second in 1...3 {
            var failures: [Bool?] = []
            for _ in 0..<50 { failures.append(await #expect(throws: Failure.self) { try await key(chain) }?.isRemembered) }
            #expect(source.count == second)
            #expect(failures == [false] + Array(repeating: true, count: 49), "the breaker counts what was asked")
            source.clock.advance(milliseconds: 1_000)
        }
        source.live(60)
        #expect(try await key(chain) == "KEY4")
    }

    /// The service decides about credentials that come expired.
    @Test func staleOnesAreUsed() async throws {
        source.live(-1)
        let chain = source.chain()
        #expect(try await key(chain) == "KEY1")
        source.advance(minutes: 14)
        #expect(try await key(chain) == "KEY1" && source.count == 1)
        source.advance(minutes: 1)
        #expect(try await key(chain) == "KEY2")
    }

    @Test func theDeadlineOfACallEndsItsWait() async throws {
        source.hold(true)
        defer { source.hold(false) }
        let chain = source.chain()
        let failure = await #expect(throws: Failure.self) {
            try await chain.credentials(deadline: source.clock.boot + .milliseconds(20))
        }
        #expect(failure?.code == .deadlineExceeded && failure?.isUnsent == true)
    }

    @Test func aCancelledCallDoesNotWait() async throws {
        source.hold(true)
        defer { source.hold(false) }
        let chain = source.chain()
        let call = Task { try await key(chain) }
        call.cancel()
        let failure = await #expect(throws: Failure.self) { try await call.value }
        #expect(failure?.code == .cancelled)
    }

    @Test func rejectedOnesAreReplacedOnce() async throws {
        let chain = source.chain()
        let deadline = source.clock.boot + .seconds(20)
        let first = try await chain.credentials(deadline: deadline)
        #expect(try await chain.replacement(for: first, deadline: deadline).accessKeyID == "KEY2")
        // Somebody else was rejected with the same ones, a moment later.
        #expect(try await chain.replacement(for: first, deadline: deadline).accessKeyID == "KEY2")
        #expect(source.count == 2)
    }
}
