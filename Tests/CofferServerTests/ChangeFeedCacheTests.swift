import CofferCache
import CofferCore
import CofferCrypto
import CofferVault
import Logging
import Testing

@testable import CofferServer

/// What vaults tell of takes effect in the cache.
@Suite(.timeLimit(.minutes(1))) struct ChangeFeedCacheTests {
    private let clock = SystemClock()
    private let cache: Cache
    private let told: AsyncStream<VaultChange>.Continuation
    private let service: CredentialService

    init() throws {
        let (changes, told) = AsyncStream<VaultChange>.makeStream()
        self.told = told
        let root = RootKey.key(SecretWriter.build(count: 32) { writer in for byte in UInt8(1)...32 { writer.append(byte) } })
        let keys = try KeyRingFile.derive(path: "/keyring", root: root, now: 1).ring
        let clock = clock
        let members = [TellingVault("first", changes), TellingVault("other", nil)].map { vault in
            VaultPool.Member(
                store: RecordStore(vault: vault, keys: keys, environment: "test", clock: clock, random: SystemRandom()))
        }
        let pool = try VaultPool(
            members, routes: [VaultRoute(user: "*", connection: "other-*", vault: "other"), VaultRoute(vault: "first")])
        cache = Cache(configuration: CacheConfiguration(), random: SystemRandom())
        service = CredentialService(
            cache: cache, pool: pool, statuses: VaultStatuses(pool, clock: clock, log: Logger(label: "test")),
            bootKey: BootKey(), inboxes: [], clock: clock, random: SystemRandom(), flightTime: .seconds(5),
            budget: BufferBudget(limits: ServerLimits()))
    }

    private func key(_ connection: String) throws -> RecordKey { try RecordKey(user: "user", connection: connection) }

    private func lead(_ connection: String) throws -> FlightTicket {
        let joined = cache.join(
            try key(connection), waiter: .task(1), uid: 1, now: clock.boot, wall: clock.wall, maximumAge: 0)
        guard case .lead(let ticket, _) = joined else { throw Failure.internalError("not the leader") }
        return ticket
    }

    @discardableResult
    private func finishFetch(_ ticket: FlightTicket, _ outcome: FlightOutcome? = nil) -> CacheDelivery {
        let value = CachedValue(sealed: [1, 2, 3], nonce: 1, fetchedAt: clock.boot, expiresAt: 0)
        return cache.complete(ticket, outcome ?? .found(value), now: clock.boot, wall: clock.wall)
    }

    private func isCached(_ connection: String) throws -> Bool {
        let answer = cache.lookup(try key(connection), now: clock.boot, wall: clock.wall, maximumAge: .max)
        if case .hit = answer { return true }
        return false
    }

    /// Runs `body` while changes are followed, from the first one on, which empties the cache.
    private func following(_ body: () async throws -> Void) async throws {
        let service = service
        let task = Task { await service.followChanges() }
        defer { task.cancel() }
        try await body()
        told.finish()
        await task.value
    }

    private func eventually(_ condition: () throws -> Bool) async throws {
        for _ in 0..<500 {
            if try condition() { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("it did not come to that in five seconds")
    }

    @Test func aChangedRecordIsDroppedAtOnce() async throws {
        for connection in ["a", "b"] { finishFetch(try lead(connection)) }
        let late = try lead("late")
        try await following {
            told.yield(.record(try key("late")))
            told.yield(.record(try key("a")))
            try await eventually { try !isCached("a") }
        }
        #expect(try isCached("b"))
        // It may have read what was there before the change.
        finishFetch(late)
        #expect(try !isCached("late"))
        // Nothing stands in for the record that is known to have changed.
        #expect(finishFetch(try lead("a"), .failedTransiently).stale == nil)
        finishFetch(try lead("a"))
        #expect(try isCached("a"))
    }

    @Test func whereEverythingMayHaveChangedTheVaultIsAskedAgain() async throws {
        for connection in ["a", "b", "other-a"] { finishFetch(try lead(connection)) }
        let late = try lead("late")
        try await following {
            told.yield(.everything)
            try await eventually { try !isCached("a") && !isCached("b") }
        }
        // Another vault's records are not concerned.
        #expect(try isCached("other-a"))
        finishFetch(late)
        #expect(try !isCached("late"))
        // While the vault cannot be asked, the value still does.
        #expect(finishFetch(try lead("a"), .failedTransiently).stale == nil, "nobody waits with max_age 0")
        let joined = cache.join(
            try key("b"), waiter: .task(1), uid: 1, now: clock.boot, wall: clock.wall, maximumAge: .max)
        guard case .lead(let ticket, _) = joined else {
            Issue.record("the vault is not asked")
            return
        }
        #expect(finishFetch(ticket, .failedTransiently).stale?.isStale == true)
        finishFetch(try lead("b"))
        #expect(try isCached("b"))
    }

    @Test func aVaultSpeaksOnlyOfItsOwnRecords() async throws {
        for connection in ["other-a", "a"] { finishFetch(try lead(connection)) }
        try await following {
            told.yield(.record(try key("other-a")))
            told.yield(.record(try key("a")))
            try await eventually { try !isCached("a") }
        }
        #expect(try isCached("other-a"))
    }

    /// A write that fails without a doubt restores what was cached, unless the record changed meanwhile.
    @Test func aChangeDuringAWriteThatFailsStays() async throws {
        for connection in ["a", "b"] { finishFetch(try lead(connection)) }
        let write = cache.beginWrite(try key("a"), uid: 1, now: clock.boot)
        try await following {
            told.yield(.everything)
            try await eventually { try !isCached("b") }
        }
        cache.endWrite(write, .notWritten, now: clock.boot, wall: clock.wall)
        #expect(try !isCached("a"))
    }
}

private final class TellingVault: VaultAdapter {
    let name: String
    let kind = "test"
    let identity = [UInt8](repeating: 7, count: 16)
    let capabilities = VaultCapabilities(conditionalWrites: true, listing: true, maximumPayloadBytes: 1 << 20)
    let changes: VaultChanges?

    init(_ name: String, _ changes: VaultChanges?) {
        self.name = name
        self.changes = changes
    }

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
