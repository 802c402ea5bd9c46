import CofferCore
import CofferVault
import CofferVaultConformance
import Testing

@testable import CofferPostgres

/// What one daemon hears of others.
@Suite struct PostgresChangeTests {
    private let settings = ["schema": PostgresPlace.newSchema()]

    /// A vault that listens.
    private func listening() async throws -> (PostgresVault, HeardChanges) {
        let vault = try PostgresPlace.vault(settings)
        let heard = HeardChanges(vault)
        #expect(try await eventually { heard.all.first == .everything })
        #expect(try await eventually { listener != nil })
        // What it says at the beginning has been said.
        try await Task.sleep(for: .milliseconds(200))
        heard.forget()
        return (vault, heard)
    }

    /// The server's process of a connection that has just begun to listen.
    private var listener: String? {
        let listen = "LISTEN \"\(settings["schema"] ?? "")_changed\""
        return try? PostgresPlace.sql("SELECT pid FROM pg_stat_activity WHERE query = '\(listen)'").text(0, 0)
    }

    @Test(.timeLimit(.minutes(1))) func tellsOfWhatOthersWriteAndOfNothingElse() async throws {
        let (vault, heard) = try await listening()
        let other = try PostgresPlace.vault(settings)
        try await vault.write("v1", "mine")
        try await other.write("v1", "ann@example.com", "a b/ü")
        try await other.write("v1", "theirs")
        #expect(try await eventually { heard.all.count >= 2 })
        // The own one came before them, if at all.
        #expect(
            heard.all == [
                try HeardChanges.record("ann@example.com", "a b/ü"), try HeardChanges.record("theirs", "c"),
            ])
        await other.close()
        await vault.close()
    }

    @Test(.timeLimit(.minutes(1))) func tellsOfWhatPeopleDoInTheTable() async throws {
        let (vault, heard) = try await listening()
        let table = "\"\(settings["schema"]!)\".credential"
        for user in ["deleted", "renamed", "changed"] { try await vault.write("v1", user) }
        _ = try PostgresPlace.sql("DELETE FROM \(table) WHERE name LIKE '%/deleted/%'")
        _ = try PostgresPlace.sql("UPDATE \(table) SET name = replace(name, 'renamed', 'new') WHERE name LIKE '%/renamed/%'")
        _ = try PostgresPlace.sql("UPDATE \(table) SET version = 'v2' WHERE name LIKE '%/changed/%'")
        for user in ["deleted", "renamed", "new", "changed"] {
            let expected = try HeardChanges.record(user, "c")
            let isHeard = try await eventually { heard.all.contains(expected) }
            #expect(isHeard, "\(user): \(heard.all)")
        }
        #expect(!heard.all.contains(.everything))
        _ = try PostgresPlace.sql("TRUNCATE \(table)")
        #expect(try await eventually { heard.all.last == .everything })
        await vault.close()
    }

    /// A connection that is cut says so at once, and it listens again.
    @Test(.timeLimit(.minutes(1))) func doubtsEverythingWhenTheConnectionBreaks() async throws {
        let (vault, heard) = try await listening()
        let process = try #require(listener)
        _ = try PostgresPlace.sql("SELECT pg_terminate_backend(\(process))")
        #expect(try await eventually { heard.all.first == .everything })
        #expect(try await eventually { listener.map { $0 != process } ?? false })
        try await Task.sleep(for: .milliseconds(200))
        heard.forget()
        let other = try PostgresPlace.vault(settings)
        try await other.write("v1")
        let expected = try HeardChanges.record("u", "c")
        let isHeard = try await eventually { heard.all == [expected] }
        #expect(isHeard, "\(heard.all)")
        await other.close()
        await vault.close()
    }

    @Test(.timeLimit(.minutes(1))) func rowsOfAnotherPrefixAreNoNews() async throws {
        let (vault, heard) = try await listening()
        let other = try PostgresPlace.vault(settings.merging(["prefix": "ai2-connectors/more"]) { $1 })
        let same = try PostgresPlace.vault(settings)
        try await other.write("v1")
        try await same.write("v1", "last")
        #expect(try await eventually { !heard.all.isEmpty })
        #expect(heard.all == [try HeardChanges.record("last", "c")])
        for vault in [vault, other, same] { await vault.close() }
    }

    /// What the sweep removes has been absent for a while.
    @Test(.timeLimit(.minutes(1))) func sweepsWhatHasExpiredWithoutAWord() async throws {
        let (vault, heard) = try await listening()
        let now = SystemClock().wall
        try await vault.write("v1", "old", expiresAt: now - 120_000)
        try await vault.write("v1", "young", expiresAt: now - 1_000)
        try await vault.write("v1", "live", expiresAt: now + 60_000)
        try await vault.write("v1", "forever")
        let session = PostgresSession(PostgresServer(try PostgresPlace.options(settings), PostgresDependencies()), vault: "s")
        let reply = try session.perform(PostgresCall(work: .sweep(now), deadline: Live.deadline))
        guard case .swept(1) = reply else { return #expect(Bool(false), "\(reply)") }
        let names = try PostgresPlace.sql(
            "SELECT string_agg(name, ' ' ORDER BY name) FROM \"\(settings["schema"]!)\".credential")
        #expect(names.text(0, 0) == "ai2-connectors/forever/c ai2-connectors/live/c ai2-connectors/young/c")
        let other = try PostgresPlace.vault(settings)
        try await other.write("v1", "last")
        #expect(try await eventually { !heard.all.isEmpty })
        #expect(heard.all == [try HeardChanges.record("last", "c")])
        await other.close()
        await vault.close()
    }
}
