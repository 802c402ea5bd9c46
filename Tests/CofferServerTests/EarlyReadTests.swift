import CofferCache
import CofferCore
import CofferCrypto
import CofferVault
import Logging
import Synchronization
import Testing

@testable import CofferServer

/// What is read of a vault that lags, soon after the start, is not believed for long.
@Suite(.timeLimit(.minutes(1))) struct EarlyReadTests {
    private let clock = SystemClock()
    private let cache = Cache(configuration: CacheConfiguration(), random: SystemRandom())
    private let sleeper = SteppedSleeper()
    private let store: RecordStore
    private let service: CredentialService

    init() throws {
        let root = RootKey.key(SecretWriter.build(count: 32) { writer in for byte in UInt8(1)...32 { writer.append(byte) } })
        let keys = try KeyRingFile.derive(path: "/keyring", root: root, now: 1).ring
        store = RecordStore(
            vault: LaggingVault(), keys: keys, environment: "test", clock: clock, random: SystemRandom(), sleeper: sleeper)
        let pool = try VaultPool([VaultPool.Member(store: store)], routes: [VaultRoute(vault: "lagging")])
        service = CredentialService(
            cache: cache, pool: pool, statuses: VaultStatuses(pool, clock: clock, log: Logger(label: "test")),
            bootKey: BootKey(), inboxes: [], clock: clock, random: SystemRandom(), flightTime: .seconds(5),
            budget: BufferBudget(limits: ServerLimits()))
    }

    private func key(_ connection: String) throws -> RecordKey { try RecordKey(user: "user", connection: connection) }

    private func fetch(_ connection: String) throws {
        let joined = cache.join(
            try key(connection), waiter: .task(1), uid: 1, now: clock.boot, wall: clock.wall, maximumAge: 0)
        guard case .lead(let ticket, _) = joined else { throw Failure.internalError("not the leader") }
        let value = CachedValue(sealed: [1, 2, 3], nonce: 1, fetchedAt: clock.boot, expiresAt: 0)
        _ = cache.complete(ticket, .found(value), now: clock.boot, wall: clock.wall)
    }

    private func isCached(_ connection: String) throws -> Bool {
        let answer = cache.lookup(try key(connection), now: clock.boot, wall: clock.wall, maximumAge: .max)
        if case .hit = answer { return true }
        return false
    }

    /// After 5, 15, 35 and 75 s, when the vault no longer lags behind the start: each time counts against its limits. What this daemon has written stays.
    @Test func whatIsReadSoonAfterTheStartIsAskedForAgain() async throws {
        _ = try await store.write(
            try key("written"), credential: Secret("{}"), labels: [:], ttlSeconds: 0, condition: .none,
            deadline: clock.boot + .seconds(5))
        try fetch("written")
        let service = service
        let task = Task { await service.followChanges() }
        defer { task.cancel() }
        for step in 1...4 {
            try fetch("read")
            #expect(try isCached("read"))
            await sleeper.step()
            for _ in 0..<500 where try isCached("read") { try await Task.sleep(for: .milliseconds(10)) }
            #expect(try !isCached("read"), "step \(step)")
            #expect(try isCached("written"))
        }
        await task.value
        try fetch("read")
        #expect(try isCached("read"))
    }
}

/// Sleeps until it is told that the time is over.
private final class SteppedSleeper: Sleeper {
    private let waiting = Mutex<CheckedContinuation<Void, Never>?>(nil)

    func sleep(until instant: BootInstant) async throws {
        await withCheckedContinuation { continuation in waiting.withLock { $0 = continuation } }
    }

    /// Ends the sleep that is under way, or the next one.
    func step() async {
        while true {
            let continuation = waiting.withLock { waiting in
                defer { waiting = nil }
                return waiting
            }
            if let continuation { return continuation.resume() }
            try? await Task.sleep(for: .milliseconds(1))
        }
    }
}

private final class LaggingVault: VaultAdapter {
    let name = "lagging"
    let kind = "test"
    let identity = [UInt8](repeating: 7, count: 16)
    let capabilities = VaultCapabilities(
        conditionalWrites: false, listing: false, maximumPayloadBytes: 1 << 20, consistency: .lagging(for: .seconds(75)))
    let changes: VaultChanges? = nil

    func read(_ key: VaultKey, deadline: BootInstant) async throws(Failure) -> VaultItem? { nil }
    func write(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> VaultReceipt {
        VaultReceipt(version: item.version, createdAt: item.createdAt)
    }
    func remove(_ key: VaultKey, ifVersion: String?, deadline: BootInstant) async throws(Failure) -> Bool { false }
    func list(
        user: VaultUser?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> VaultPage {
        VaultPage(entries: [], next: nil)
    }
    func check(deadline: BootInstant) async throws(Failure) {}
    func close() async {}
}
