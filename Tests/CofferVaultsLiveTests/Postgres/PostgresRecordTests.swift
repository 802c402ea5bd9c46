import CofferCore
import CofferVault
import CofferVaultConformance
import Foundation
import Testing

@testable import CofferPostgres

/// Records beside those of others, and many of them.
@Suite struct PostgresRecordTests {
    private let schema = PostgresPlace.newSchema()

    private func key(_ user: String, _ connection: String) throws -> VaultKey {
        VaultKey(
            key: try RecordKey(user: user, connection: connection), tag: [UInt8](repeating: 1, count: 32),
            userTag: [UInt8](repeating: 2, count: 32))
    }

    private static let ids = [
        "user123", "ann@example.com", "auth0|5f7c", "google-oauth2|1", "0f8fad5b-d9cb-469f-a165-70867728950e", "a b",
        "ü☃", "e\u{301}", "\u{e9}", "a/b", "a", "b", "%2F", "=2F", "'; DROP TABLE x; --", "\\", "\"", ".", "..", "A", " ",
        String(repeating: ":", count: 256), String(repeating: "ü", count: 128),
    ]

    /// Each pair of ids has a record of its own, by Get, GetMany and List alike.
    @Test(.timeLimit(.minutes(2))) func idsOfEveryKind() async throws {
        let vault = try PostgresPlace.vault(["schema": schema])
        var keys: [VaultKey] = []
        for user in Self.ids { for connection in Self.ids { keys.append(try key(user, connection)) } }
        for (index, key) in keys.enumerated() {
            _ = try await vault.write(key, Live.sealed("v\(index)"), condition: .ifAbsent, deadline: Live.deadline)
        }
        for (index, key) in keys.enumerated() {
            #expect(try await vault.read(key, deadline: Live.deadline)?.version == "v\(index)")
        }
        var listed: [RecordKey: String] = [:]
        var cursor: [UInt8]?
        repeat {
            let page = try await vault.list(user: nil, after: cursor, limit: 1_000, deadline: Live.deadline)
            for entry in page.entries {
                guard case .key(let key) = entry.name else { continue }
                listed[key] = try entry.item.get().version
            }
            cursor = page.next
        } while cursor != nil
        #expect(listed.count == keys.count)
        for (index, key) in keys.enumerated() { #expect(listed[key.key] == "v\(index)") }
        await vault.close()
    }

    @Test(.timeLimit(.minutes(1))) func manyAtOnceInOneStatement() async throws {
        let vault = try PostgresPlace.vault(["schema": schema])
        let keys = try (0..<256).map { try key("u\($0 % 7)", "c\($0)") }
        for index in stride(from: 0, to: 256, by: 2) {
            _ = try await vault.write(keys[index], Live.sealed("v\(index)"), condition: .none, deadline: Live.deadline)
        }
        let found = await vault.readMany(keys + [keys[0]], deadline: Live.deadline)
        for (index, outcome) in found.enumerated() {
            #expect(try outcome.get()?.version == (index % 2 == 0 ? "v\(index % 256)" : nil))
        }
        #expect(await vault.readMany([], deadline: Live.deadline).isEmpty)
        await vault.close()
    }

    /// One row that somebody spoilt is that record's failure, and rows of others are nobody's.
    @Test(.timeLimit(.minutes(1))) func oneUnreadableRowAmongGoodOnes() async throws {
        let vault = try PostgresPlace.vault(["schema": schema])
        for user in ["bad", "good"] { try await vault.write("v1", user) }
        let table = "\"\(schema)\".credential"
        _ = try PostgresPlace.sql("UPDATE \(table) SET version = 'a b' WHERE name LIKE '%/bad/%'")
        _ = try PostgresPlace.sql("INSERT INTO \(table) SELECT n, 'v', 'x', 0, 0, 0 FROM unnest(ARRAY["
            + "'ai2-connectors/a', 'ai2-connectors/a/b/c', 'ai2-connectors/=zz/c', 'ai2-connectors/=61/c', 'other/u/c', "
            + "'ai2-connectors//c', 'ai2-connectors/u/']) AS n")
        await PostgresPlace.expect(.dataLoss, .unreadableRecord, "does not open") { () throws(Failure) in
            _ = try await vault.read("bad")
        }
        let found = await vault.readMany([try key("bad", "c"), try key("good", "c")], deadline: Live.deadline)
        #expect(throws: Failure.self) { try found[0].get() }
        #expect(try found[1].get()?.version == "v1")
        let page = try await vault.list(user: nil, after: nil, limit: 10, deadline: Live.deadline)
        #expect(page.entries.map(\.name) == [.key(try key("bad", "c").key), .key(try key("good", "c").key)])
        #expect(throws: Failure.self) { try page.entries[0].item.get() }
        #expect(try page.entries[1].item.get().version == "v1")
        await vault.close()
    }

    /// Many daemons that start together make the tables once.
    @Test(.timeLimit(.minutes(1))) func tablesAreMadeOnce() async throws {
        let vaults = try (0..<8).map { _ in try PostgresPlace.vault(["schema": schema, "connections": "2"]) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, vault) in vaults.enumerated() { group.addTask { try await vault.write("v1", "u\(index)") } }
            try await group.waitForAll()
        }
        #expect(try PostgresPlace.sql("SELECT count(*) FROM \"\(schema)\".schema_version").text(0, 0) == "1")
        #expect(try PostgresPlace.sql("SELECT count(*) FROM \"\(schema)\".credential").text(0, 0) == "8")
        for vault in vaults { await vault.close() }
    }

    /// In the same time for each record, whether there are a thousand or a hundred thousand.
    @Test(.timeLimit(.minutes(3))) func listsAndSweepsAHundredThousandRecords() async throws {
        let vault = try PostgresPlace.vault(["schema": schema])
        try await vault.write("v1", "first")
        let expired = SystemClock().wall - 3_600_000
        _ = try PostgresPlace.sql(
            "INSERT INTO \"\(schema)\".credential SELECT 'ai2-connectors/user' || n % 1000 || '/c' || n, 'v', 'x', 0, 0, "
                + "CASE WHEN n % 100 = 0 THEN \(expired) ELSE 0 END FROM generate_series(1, 100000) AS n")
        var (count, cursor): (Int, [UInt8]?) = (0, nil)
        var pages: [Duration] = []
        repeat {
            let began = ContinuousClock.now
            let page = try await vault.list(user: nil, after: cursor, limit: 1_000, deadline: Live.deadline)
            pages.append(.now - began)
            count += page.entries.count
            cursor = page.next
        } while cursor != nil
        #expect(count == 99_001)
        // The last hundred pages as the first, but for the noise of a shared machine.
        func median(_ some: ArraySlice<Duration>) -> Duration { some.sorted()[some.count / 2] }
        #expect(median(pages.suffix(100)) < median(pages.prefix(100)) * 1.5)
        // It sweeps by itself once a minute.
        await vault.close()
        let session = PostgresSession(
            PostgresServer(try PostgresPlace.options(["schema": schema]), PostgresDependencies()), vault: "s")
        for expected in [500, 500, 0] {
            let reply = try session.perform(PostgresCall(work: .sweep(SystemClock().wall), deadline: Live.deadline))
            guard case .swept(expected) = reply else { return #expect(Bool(false), "\(reply)") }
        }
    }
}

extension ContinuousClock.Instant {
    fileprivate static func - (end: Self, start: Self) -> Duration { start.duration(to: end) }
}
