import CofferCore
import CofferCrypto
import CofferVault
import Testing

/// What a vault cannot do is refused before it is asked.
@Suite struct VaultCapabilitiesTests {
    private let time = VirtualTime()
    private let keys: KeyRing
    private let key: RecordKey

    init() throws {
        keys = try KeyRing.forTests()
        key = try RecordKey(user: "user", connection: "connection")
    }

    private var end: BootInstant { time.boot + .seconds(5) }

    private func store(_ vault: ScriptedVault) -> RecordStore {
        RecordStore(vault: vault, keys: keys, environment: "test", clock: time, random: SeededRandom(1))
    }

    private func write(_ store: RecordStore, _ key: RecordKey, ttl: UInt32 = 0) async throws {
        _ = try await store.write(
            key, credential: Secret("{}"), labels: [:], ttlSeconds: ttl, condition: .none, deadline: end)
    }

    // MARK: Vaults that are write-only

    private let writeOnly = ScriptedVault { $0.readable = false }

    private func refusal(_ instead: String) -> Failure {
        Failure(
            .failedPrecondition, .notSupported,
            "the vault scripted is write-only: a vault of type test gives no record back; route records that are to be read to \(instead)",
            vault: "scripted", isUnsent: true)
    }

    @Test func aWriteOnlyVaultIsNotAskedForARecord() async throws {
        let store = store(writeOnly)
        let refusal = refusal("a vault of another type")
        await #expect(throws: refusal) { _ = try await store.read(key, deadline: end) }
        let many = await store.readMany([key, key], deadline: end).map { outcome -> Failure? in
            if case .failure(let failure) = outcome { failure } else { nil }
        }
        #expect(many == [refusal, refusal])
        #expect(writeOnly.calls.isEmpty)
        try await write(store, key)
        #expect(try await store.remove(key, ifVersion: nil, deadline: end))
        #expect(writeOnly.calls.map(\.what) == ["write", "remove"])
    }

    @Test func itsRefusalNamesTheVaultsThatCanBeRead() throws {
        let others = ["a", "b"].map { OpenVault(name: $0) }.map {
            RecordStore(vault: $0, keys: keys, environment: "test", clock: time, random: SeededRandom(1))
        }
        let pool = try VaultPool(
            ([store(writeOnly)] + others).map { VaultPool.Member(store: $0) },
            routes: [VaultRoute(user: "*", connection: "connection", vault: "scripted"), VaultRoute(vault: "a")])
        #expect(throws: refusal("a or b")) { _ = try pool.readableStore(for: key) }
        #expect(try pool.store(for: key).vaultName == "scripted")
        #expect(try pool.readableStore(for: RecordKey(user: "user", connection: "other")).vaultName == "a")
    }

    /// Keeping the format of what is there takes a look at it.
    @Test func aWriteOnlyVaultIsNotReadBeforeAWrite() async throws {
        let vault = ScriptedVault {
            $0.readable = false
            $0.textPayloads = true
        }
        let store = try RecordStore(
            vault: vault, keys: keys, environment: "test", format: .sealed, accept: [.sealed, .json], keep: [.json],
            legacy: nil, clock: time, random: SeededRandom(1))
        try await write(store, key)
        #expect(vault.calls.map(\.what) == ["write"])
    }

    // MARK: Names

    @Test func aNameThatIsTooLongIsNotSent() async throws {
        let vault = ScriptedVault {
            $0.longestName = VaultCapabilities.NameLimit(maximumBytes: 17) { "\($0.user)/\($0.connection)".utf8.count }
        }
        let store = store(vault)
        let long = try RecordKey(user: "user", connection: "connection-12")
        let refusal = Failure(
            .invalidArgument, .badField,
            "user_id and connection_id make a name of 18 bytes, escapes included; the vault scripted (test) accepts at most 17; use shorter ids",
            vault: "scripted", isUnsent: true)
        await #expect(throws: refusal) { _ = try await store.read(long, deadline: end) }
        await #expect(throws: refusal) { try await write(store, long) }
        await #expect(throws: refusal) { _ = try await store.remove(long, ifVersion: nil, deadline: end) }
        #expect(vault.calls.isEmpty)
        let fits = try RecordKey(user: "user", connection: "connection-1")
        #expect(try await store.read(fits, deadline: end) == nil)
        // Of many, only those that fit are asked for; each outcome is its key's.
        let outcomes = await store.readMany([long, fits, long, key], deadline: end).map { outcome -> Failure? in
            if case .failure(let failure) = outcome { failure } else { nil }
        }
        #expect(outcomes == [refusal, nil, refusal, nil])
        #expect(vault.calls.last?.keys == 2)
    }

    // MARK: Expiry

    @Test(arguments: [(0, 0, 0), (5_000, 60_000, 60_000), (60_000, 60_000, 60_000), (60_001, 60_000, 60_001), (5_000, 0, 5_000)])
    func theVaultsExpiryIsRoundedUpToTheShortest(ttl: UInt64, shortest: Int, expected: UInt64) {
        let vault = ScriptedVault { $0.shortestTTL = .milliseconds(shortest) }
        let now: WallMilliseconds = 1_000_000
        let item = VaultItem(
            payload: .sealed([1]), version: "v", createdAt: 1, updatedAt: now, expiresAt: ttl == 0 ? 0 : now + ttl)
        #expect(vault.capabilities.vaultExpiry(of: item) == (expected == 0 ? 0 : now + expected))
    }
}
