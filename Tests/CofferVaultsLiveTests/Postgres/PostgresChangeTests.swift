import CofferCore
import CofferVault
import CofferVaultConformance
import Glibc
import Testing

@testable import CofferPostgres

/// What one daemon hears of others. One test at a time, in a database of their own: the connection that listens is found
/// there by its name.
@Suite(.serialized) struct PostgresChangeTests {
    private let schema = PostgresPlace.newSchema()
    private let settings: [String: String]

    init() throws {
        settings = ["schema": schema, "url": try PostgresPlace.url(database: "changes")]
    }

    private func sql(_ script: String) throws -> String? {
        try PostgresPlace.sql(script, database: "changes").text(0, 0)
    }

    /// A vault that listens, and doubts nothing because the server is slow unless `silence` says so.
    private func listening(silence: Duration? = .seconds(5)) async throws -> (PostgresVault, HeardChanges) {
        let vault = try PostgresPlace.vault(settings, silence: silence)
        let heard = HeardChanges(vault)
        try await listens(heard)
        return (vault, heard)
    }

    /// Returns when it hears what is said; nothing is heard by then.
    private func listens(_ heard: HeardChanges) async throws {
        #expect(try await eventually { heard.all.first == .everything })
        var isHeard = false
        for number in 0..<30 where !isHeard {
            _ = try sql("SELECT pg_notify('\(schema)_changed', ':ai2-connectors/probe/\(number)')")
            // They come in order: what was said before has been heard then.
            let probe = try HeardChanges.record("probe", "\(number)")
            isHeard = try await eventually(seconds: 2) { heard.all.contains(probe) }
        }
        #expect(isHeard)
        heard.forget()
    }

    @Test(.timeLimit(.minutes(3))) func tellsOfWhatOthersWriteAndOfNothingElse() async throws {
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

    /// A write that waited for a lock fails by its deadline. If its cancellation does not arrive, it commits when the lock
    /// goes: here another session does what it would, under this daemon's mark.
    @Test(.timeLimit(.minutes(3))) func tellsOfAnOwnWriteThatCommitsAfterItFailed() async throws {
        let (vault, heard) = try await listening()
        let ears = try PostgresPlace.admin(database: "changes")
        _ = try ears.run(script: "LISTEN \"\(schema)_changed\"", deadline: Live.deadline)
        for user in ["late", "sound"] { try await vault.write("v0", user) }
        _ = try ears.run(script: "SELECT 1", deadline: Live.deadline)
        let told = try #require(ears.notification())
        let mark = String(decoding: told.prefix { $0 != UInt8(ascii: ":") }, as: UTF8.self)
        #expect(mark.utf8.count == 16)
        let table = "\"\(schema)\".credential"
        let lock = try PostgresPlace.admin(database: "changes")
        for isRemoval in [false, true] {
            heard.forget()
            _ = try lock.run(script: "BEGIN; SELECT * FROM \(table) FOR UPDATE", deadline: Live.deadline)
            let outcome = await failure { () async throws(Failure) in
                let deadline = SystemClock().boot + .milliseconds(400)
                if isRemoval {
                    try await vault.remove("late", deadline: deadline)
                } else {
                    try await vault.write("v1", "late", deadline: deadline)
                }
            }
            #expect(outcome?.mayHaveWritten == true)
            _ = try lock.run(script: "ROLLBACK", deadline: Live.deadline)
            _ = try sql(
                "SET coffer.writer = '\(mark)'; UPDATE \(table) SET version = 'v1' WHERE name LIKE '%/sound/%'; "
                    + "UPDATE \(table) SET version = 'v1' WHERE name LIKE '%/late/%'")
            let expected = try HeardChanges.record("late", "c")
            let isHeard = try await eventually { heard.all.contains(expected) }
            #expect(isHeard, "removal: \(isRemoval)")
            // The one that failed may have been done as well. A write whose outcome is known is no news.
            #expect(heard.all.allSatisfy { $0 == expected }, "\(heard.all)")
        }
        await vault.close()
    }

    @Test(.timeLimit(.minutes(3))) func tellsOfWhatPeopleDoInTheTable() async throws {
        let (vault, heard) = try await listening()
        let table = "\"\(schema)\".credential"
        for user in ["deleted", "renamed", "changed"] { try await vault.write("v1", user) }
        _ = try sql("DELETE FROM \(table) WHERE name LIKE '%/deleted/%'")
        _ = try sql("UPDATE \(table) SET name = replace(name, 'renamed', 'new') WHERE name LIKE '%/renamed/%'")
        _ = try sql("UPDATE \(table) SET version = 'v2' WHERE name LIKE '%/changed/%'")
        for user in ["deleted", "renamed", "new", "changed"] {
            let expected = try HeardChanges.record(user, "c")
            let isHeard = try await eventually { heard.all.contains(expected) }
            #expect(isHeard, "\(user): \(heard.all)")
        }
        #expect(!heard.all.contains(.everything))
        _ = try sql("TRUNCATE \(table)")
        #expect(try await eventually { heard.all.last == .everything })
        await vault.close()
    }

    /// A connection that is cut says so at once, and it listens again.
    @Test(.timeLimit(.minutes(3))) func doubtsEverythingWhenTheConnectionBreaks() async throws {
        let (vault, heard) = try await listening()
        let killed = try sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                + "WHERE datname = 'changes' AND application_name = 'cofferd-listen'")
        #expect(killed == "1")
        #expect(try await eventually { heard.all.first == .everything })
        try await listens(heard)
        let other = try PostgresPlace.vault(settings)
        try await other.write("v1")
        let expected = try HeardChanges.record("u", "c")
        let isHeard = try await eventually { heard.all == [expected] }
        #expect(isHeard, "\(heard.all)")
        await other.close()
        await vault.close()
    }

    /// The server's process is stopped, as if something on the way forwarded nothing any more: all is doubted, again and
    /// again, until the connection is given up and another one listens.
    @Test(.timeLimit(.minutes(3))) func doubtsEverythingWhileTheServerGivesNoSignOfLife() async throws {
        let (vault, heard) = try await listening(silence: nil)
        let process = try sql(
            "SELECT pid FROM pg_stat_activity WHERE datname = 'changes' AND application_name = 'cofferd-listen'")
        let stopped = try #require(process.flatMap { pid_t($0) })
        #expect(kill(stopped, SIGSTOP) == 0)
        defer { kill(stopped, SIGCONT) }
        heard.forget()
        #expect(try await eventually { heard.everything >= 3 })
        try await listens(heard)
        await vault.close()
    }

    @Test(.timeLimit(.minutes(3))) func rowsOfAnotherPrefixAreNoNews() async throws {
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
    @Test(.timeLimit(.minutes(3))) func sweepsWhatHasExpiredWithoutAWord() async throws {
        let (vault, heard) = try await listening()
        let now = SystemClock().wall
        try await vault.write("v1", "old", expiresAt: now - 120_000)
        try await vault.write("v1", "young", expiresAt: now - 1_000)
        try await vault.write("v1", "live", expiresAt: now + 60_000)
        try await vault.write("v1", "forever")
        let session = PostgresSession(PostgresServer(try PostgresPlace.options(settings), PostgresDependencies()), vault: "s")
        let reply = try session.perform(PostgresCall(work: .sweep(now), deadline: Live.deadline))
        guard case .swept(1) = reply else { return #expect(Bool(false), "\(reply)") }
        let names = try sql("SELECT string_agg(name, ' ' ORDER BY name) FROM \"\(schema)\".credential")
        #expect(names == "ai2-connectors/forever/c ai2-connectors/live/c ai2-connectors/young/c")
        let other = try PostgresPlace.vault(settings)
        try await other.write("v1", "last")
        #expect(try await eventually { !heard.all.isEmpty })
        #expect(heard.all == [try HeardChanges.record("last", "c")])
        await other.close()
        await vault.close()
    }
}
