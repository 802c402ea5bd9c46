import CofferCore
import CofferCrypto
import CofferVault
import Testing

@Suite struct VaultPoolTests {
    private let time = VirtualTime()
    private let keys: KeyRing
    private let a = OpenVault(name: "a")
    private let b = OpenVault(name: "b")
    private let c = OpenVault(name: "c")

    init() throws { keys = try .forTests() }

    private var end: BootInstant { time.boot + .seconds(5) }

    private func member(_ vault: OpenVault) throws -> VaultPool.Member {
        VaultPool.Member(
            store: try RecordStore(
                vault: vault, keys: keys, environment: "test", format: .sealed, accept: Set(RecordFormat.allCases),
                legacy: nil, clock: time, random: SeededRandom(1)))
    }

    private func pool(_ routes: (String, String, String)...) throws -> VaultPool {
        try VaultPool(
            [member(a), member(b), member(c)],
            routes: routes.map { try VaultRoute(user: $0.0, connection: $0.1, vault: $0.2) })
    }

    private func key(_ user: String, _ connection: String) throws -> RecordKey {
        try RecordKey(user: user, connection: connection)
    }

    @Test func theFirstRouteThatMatchesCounts() throws {
        let pool = try pool(("team-*", "mail", "b"), ("team-*", "*", "c"), ("*", "*", "a"))
        for (user, connection, vault) in [("team-1", "mail", "b"), ("team-1", "chat", "c"), ("x", "mail", "a")] {
            #expect(try pool.store(for: key(user, connection)).vaultName == vault)
        }
    }

    @Test func withoutARouteThereIsNoVault() throws {
        let pool = try pool(("x", "*", "a"), ("y", "*", "b"))
        #expect(
            throws: Failure(
                .failedPrecondition, .notSupported,
                "none of the 2 routes matches this user and connection; add a last route with the pattern * for both")
        ) { try pool.store(for: key("z", "c")) }
    }

    @Test func refusesWhatDoesNotFitTogether() throws {
        #expect(throws: Failure.badField("vaults", "expected 1 to 1000, got 0")) { try VaultPool([], routes: []) }
        #expect(throws: Failure.badField("vaults", "two have the name a; give each a name of its own")) {
            try VaultPool([member(a), member(a)], routes: [])
        }
        #expect(throws: Failure.badField("routes", "one leads to d, but the vaults are a, b, c")) {
            try pool(("*", "*", "d"))
        }
    }

    @Test func aUsersRecordsMayBeInSeveralVaults() throws {
        let pool = try pool(
            ("u", "mail", "b"), ("v", "*", "c"), ("u", "m*", "b"), ("*", "chat", "c"), ("u", "*", "a"), ("*", "*", "c"))
        #expect(pool.stores(forUser: "u").map(\.vaultName) == ["b", "c", "a"])
        #expect(pool.stores(forUser: "v").map(\.vaultName) == ["c"])
        #expect(pool.stores(forUser: "w").map(\.vaultName) == ["c"])
        #expect(pool.stores(forUser: nil).map(\.vaultName) == ["b", "c", "a"])
        #expect(pool["b"]?.name == "b")
        #expect(pool["d"]?.name == nil)
    }

    private func listAll(_ pool: VaultPool, user: String?, limit: Int) async throws -> [String] {
        var found: [String] = []
        var cursor: [UInt8]?
        for _ in 0..<100 {
            let page = try await pool.list(user: user, after: cursor, limit: limit, deadline: end)
            #expect(page.records.count <= limit)
            found += page.records.map { "\($0.key.user)/\($0.key.connection)" }
            cursor = page.next
            if cursor == nil { return found }
        }
        throw Failure.internalError("the listing has no end")
    }

    @Test(arguments: 1...4) func listsOneVaultAfterTheOther(limit: Int) async throws {
        let pool = try pool(("u", "a*", "a"), ("u", "b*", "b"), ("*", "*", "c"))
        for (vault, names) in [(a, ["a1", "a2", "a3"]), (b, ["b1"]), (c, ["c1", "c2"])] {
            for name in names { vault.put("{}", try key("u", name)) }
        }
        c.put("{}", try key("w", "a1"))
        #expect(try await listAll(pool, user: "u", limit: limit) == ["u/a1", "u/a2", "u/a3", "u/b1", "u/c1", "u/c2"])
        #expect(try await listAll(pool, user: "w", limit: limit) == ["w/a1"])
        #expect(try await listAll(pool, user: nil, limit: limit).count == 7)
    }

    @Test func whatNoGetFindsIsNotListed() async throws {
        let pool = try pool(("u", "m", "b"), ("*", "*", "a"))
        for vault in [a, b] { for name in ["m", "n"] { vault.put("{}", try key("u", name)) } }
        #expect(try await listAll(pool, user: "u", limit: 10) == ["u/m", "u/n"])
    }

    @Test func nobodysRouteIsAnEmptyListing() async throws {
        #expect(try await listAll(pool(("x", "*", "a")), user: "u", limit: 10) == [])
    }

    @Test(arguments: [
        [], [1], [1, 0, 0], [2, 0, 0, 0], [1, 0, 0, 0, 5], [1, 0, 0, 2], [1, 0, 2, 0], [1, 255, 255, 1],
    ])
    func aForeignCursorIsRefused(cursor: [UInt8]) async throws {
        let pool = try pool(("u", "*", "a"), ("*", "*", "b"))
        await #expect(throws: Failure.self) {
            _ = try await pool.list(user: "u", after: cursor, limit: 10, deadline: end)
        }
        if cursor == [1, 0, 2, 0] {
            await #expect(
                throws: Failure.badField(
                    "page_token", "was not issued by this daemon for this listing; start from the first page")
            ) { _ = try await pool.list(user: nil, after: cursor, limit: 10, deadline: end) }
        }
    }

    @Test func healthIsWhatTheGuardKnows() throws {
        let guarded = GuardedVault(b, clock: time, random: SeededRandom(1), sleeper: time)
        let store = RecordStore(vault: guarded, keys: keys, environment: "test", clock: time, random: SeededRandom(1))
        let pool = try VaultPool(
            [member(a), VaultPool.Member(store: store, guarded: guarded)], routes: [VaultRoute(vault: "a")])
        #expect(pool.vaults.map(\.name) == ["a", "b"])
        #expect(pool.vaults.map { $0.health?.kind } == [nil, "open"])
    }

    @Test func aPoolOfOneKeepsEverything() async throws {
        let pool = try VaultPool(member(a))
        #expect(try pool.store(for: key("any", "thing")).vaultName == "a")
        a.put("{}", try key("u", "c"))
        await pool.close()
        #expect(try a[key("u", "c")] == nil)
    }
}
