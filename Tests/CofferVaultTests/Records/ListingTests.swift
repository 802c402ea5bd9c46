import CofferCore
import CofferCrypto
import CofferMemory
import Testing

@testable import CofferVault

/// One record that cannot be read never hides the others.
@Suite struct ListingTests {
    private let time = VirtualTime()
    private let keys: KeyRing

    init() throws { keys = try KeyRing.forTests() }

    private var end: BootInstant { time.boot + .seconds(5) }

    private func store(_ vault: any VaultAdapter, accept: Set<RecordFormat> = Set(RecordFormat.allCases)) throws -> RecordStore {
        try RecordStore(
            vault: vault, keys: keys, environment: "test", format: .sealed, accept: accept, legacy: nil, clock: time,
            random: SeededRandom(1))
    }

    private func write(_ store: RecordStore, _ user: String, _ connection: String) async throws {
        _ = try await store.write(
            try RecordKey(user: user, connection: connection), credential: Secret("s"), labels: [:], ttlSeconds: 0,
            condition: .none, deadline: end)
    }

    private let damage = VaultItem(
        payload: .sealed([1, 2, 3]), version: "v", createdAt: 1, updatedAt: 1, expiresAt: 0)

    /// A vault that knows names: the entry has them.
    @Test func theBadOneIsNamedWhereTheVaultKnowsNames() async throws {
        let vault = OpenVault()
        let store = try store(vault)
        for connection in ["a", "b", "c"] { try await write(store, "u", connection) }
        vault[try RecordKey(user: "u", connection: "b")] = damage
        vault.put("no record at all", try RecordKey(user: "u", connection: "d"))
        for user in ["u", nil] {
            let page = try await store.list(user: user, after: nil, limit: 9, deadline: end)
            #expect(Set(page.records.map(\.key.connection)) == ["a", "c"])
            #expect(Set(page.unreadable.map { "\($0.user) \($0.connection)" }) == ["u b", "u d"])
            #expect(page.unreadable.allSatisfy { $0.failure.code == .dataLoss && $0.failure.reason == .unreadableRecord })
        }
    }

    /// A vault that hides names: the user is known of a listing of one user, and the place always.
    @Test func theBadOneHasItsPlaceWhereTheVaultHidesNames() async throws {
        let vault = MemoryVault(name: "memory", clock: time, random: SystemRandom())
        let store = try store(vault)
        for connection in ["a", "b", "c"] { try await write(store, "u", connection) }
        let name = store.name(of: try RecordKey(user: "u", connection: "b"))
        _ = try await vault.write(name, damage, condition: .none, deadline: end)
        for user in ["u", nil] {
            let page = try await store.list(user: user, after: nil, limit: 9, deadline: end)
            #expect(Set(page.records.map(\.key.connection)) == ["a", "c"])
            #expect(page.unreadable.map(\.user) == [user ?? ""] && page.unreadable.map(\.connection) == [""])
            let place = name.tag.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
            #expect(page.unreadable.first?.failure.message.hasSuffix("the vault keeps it under \(place)") == true)
        }
    }

    /// An envelope of another user's record, put in this one's place.
    @Test func anotherUsersRecordIsNotShown() async throws {
        let vault = OpenVault()
        let store = try store(vault)
        try await write(store, "u", "a")
        try await write(store, "v", "secret-connection")
        let stolen = vault[try RecordKey(user: "v", connection: "secret-connection")]
        vault[try RecordKey(user: "u", connection: "b")] = stolen
        let page = try await store.list(user: "u", after: nil, limit: 9, deadline: end)
        #expect(page.records.map(\.key.connection) == ["a"])
        #expect(page.unreadable.map(\.connection) == ["b"])
    }

    /// Pages go on behind what cannot be read, and the pool keeps to its routes.
    @Test(arguments: 1...3) func everyPageIsReached(limit: Int) async throws {
        let vault = OpenVault()
        let records = try store(vault)
        for connection in ["a", "b", "c", "d", "e"] { try await write(records, "u", connection) }
        for connection in ["a", "c", "e"] { vault[try RecordKey(user: "u", connection: connection)] = damage }
        let pool = try VaultPool(VaultPool.Member(store: records))
        var (found, unreadable, cursor): ([String], [String], [UInt8]?) = ([], [], nil)
        for _ in 0..<6 {
            let page = try await pool.list(user: nil, after: cursor, limit: limit, deadline: end)
            found += page.records.map(\.key.connection)
            unreadable += page.unreadable.map(\.connection)
            cursor = page.next
            if cursor == nil { break }
        }
        #expect(cursor == nil && found.sorted() == ["b", "d"] && unreadable.sorted() == ["a", "c", "e"])
    }
}
