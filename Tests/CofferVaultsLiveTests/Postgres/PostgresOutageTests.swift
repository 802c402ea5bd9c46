import CofferCore
import CofferVault
import CofferVaultConformance
import Foundation
import Testing

@testable import CofferPostgres

/// Connections that break, statements that hang, and servers that go.
@Suite(.serialized) struct PostgresOutageTests {
    private let schema = PostgresPlace.newSchema()

    /// Another transaction that holds the lock on all records while `body` runs.
    private func locked(_ body: () async throws -> Void) async throws {
        let admin = try PostgresPlace.admin()
        _ = try admin.run(script: "BEGIN; SELECT * FROM \"\(schema)\".credential FOR UPDATE", deadline: Live.deadline)
        try await body()
        _ = try admin.run(script: "COMMIT", deadline: Live.deadline)
    }

    /// How many statements wait for that lock.
    private var waiting: String? {
        try? PostgresPlace.sql(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%\(schema)%'"
        ).text(0, 0)
    }

    /// How many locks there are on the table.
    private var locks: String? {
        try? PostgresPlace.sql(
            "SELECT count(*) FROM pg_locks WHERE relation = '\"\(schema)\".credential'::regclass").text(0, 0)
    }

    @Test(.timeLimit(.minutes(1))) func aConnectionThatIsCutInAWriteMayHaveWritten() async throws {
        let vault = try PostgresPlace.vault(["schema": schema, "connections": "1"])
        try await vault.write("v1")
        let lock = Task {
            try await locked {
                #expect(try await eventually { waiting == "1" })
                _ = try PostgresPlace.sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                        + "AND query LIKE '%\(schema)%'")
                try await Task.sleep(for: .milliseconds(300))
            }
        }
        #expect(try await eventually { locks != "0" })
        await PostgresPlace.expect(
            .unavailable, .vaultFailed, "57P01", retryable: true, unsent: false, mayHaveWritten: true
        ) { () throws(Failure) in try await vault.write("v2") }
        try await lock.value
        #expect(try await vault.read()?.version == "v1")
        try await vault.write("v3")
        #expect(try await vault.read()?.version == "v3")
        await vault.close()
    }

    /// The call ends by its deadline, and the server stops too: it would write later what was given up.
    @Test(.timeLimit(.minutes(1))) func whatIsLateIsCancelled() async throws {
        let vault = try PostgresPlace.vault(["schema": schema, "connections": "1"])
        try await vault.write("v1")
        try await locked {
            let began = SystemClock().boot
            await PostgresPlace.expect(
                .deadlineExceeded, .deadline, "no answer", retryable: true, unsent: false, mayHaveWritten: true
            ) { () throws(Failure) in
                try await vault.write("v2", deadline: began + .milliseconds(400))
            }
            // The lock is held until it has ended, however long that takes.
            #expect(SystemClock().boot < began + .seconds(5))
            let isCancelled = try await eventually { waiting == "0" }
            #expect(isCancelled)
        }
        #expect(try await vault.read()?.version == "v1")
        await vault.close()
    }

    /// The server's own limit, which holds where a cancellation cannot arrive.
    @Test(.timeLimit(.minutes(1))) func theServerEndsWhatTakesTooLong() async throws {
        let vault = try PostgresPlace.vault(["schema": schema, "timeout_ms": "300"])
        try await vault.write("v1")
        try await locked {
            await PostgresPlace.expect(
                .deadlineExceeded, .deadline, "57014", retryable: true, unsent: false, mayHaveWritten: true
            ) { () throws(Failure) in try await vault.write("v2") }
        }
        #expect(try await vault.read()?.version == "v1")
        await vault.close()
    }

    /// Connections that were cut while nothing ran are replaced before anything is sent.
    @Test(.timeLimit(.minutes(1))) func idleConnectionsThatWereCutAreNoFailure() async throws {
        let vault = try PostgresPlace.vault(["schema": schema, "connections": "3"])
        for round in 0..<5 {
            try await vault.write("v\(round)")
            _ = try PostgresPlace.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app' AND query LIKE '%\(schema)%'")
            try await Task.sleep(for: .milliseconds(100))
            #expect(try await vault.read()?.version == "v\(round)")
        }
        await vault.close()
    }

    @Test(.timeLimit(.minutes(2))) func aServerThatIsStoppedAndStarted() async throws {
        let settings = ["url": try PostgresPlace.url(port: "OTHER_PORT"), "tls": "verify-ca", "schema": schema]
        let vault = try PostgresPlace.vault(settings)
        let heard = HeardChanges(vault)
        try await vault.write("v1")
        #expect(try await eventually { !heard.all.isEmpty })
        try PostgresPlace.control("stop")
        for _ in 0..<10 {
            await PostgresPlace.expect(.unavailable, .vaultUnreachable, "cannot connect", retryable: true, unsent: true) {
                () throws(Failure) in try await vault.write("v2")
            }
        }
        heard.forget()
        #expect(try await eventually { heard.all.contains(.everything) })
        try PostgresPlace.control("start")
        #expect(try await vault.read()?.version == "v1")
        try await vault.write("v3")
        #expect(try await vault.read()?.version == "v3")
        await vault.close()
    }

    /// The primary becomes a standby: it is left alone, and of several servers the primary is found.
    @Test(.timeLimit(.minutes(2))) func aStandbyIsRefusedAndThePrimaryFound() async throws {
        let alone = try PostgresPlace.vault([
            "url": try PostgresPlace.url(port: "OTHER_PORT"), "tls": "verify-ca", "schema": schema,
        ])
        try await alone.write("v1")
        try PostgresPlace.control("stop", "standby", "start")
        await PostgresPlace.expect(.unavailable, .vaultFailed, "standby", retryable: true, unsent: true) {
            () throws(Failure) in try await alone.write("v2")
        }
        await PostgresPlace.expect(.unavailable, .vaultFailed, "standby", retryable: true) { () throws(Failure) in
            try await alone.check(deadline: Live.deadline)
        }
        let ports = try ["OTHER_PORT", "NOBODY_PORT", "PORT"].map { "127.0.0.1:" + (try PostgresPlace.variable($0)) }
        let cluster = try PostgresPlace.vault([
            "url": "postgresql://app@\(ports.joined(separator: ","))/coffer", "tls": "verify-ca", "schema": schema,
        ])
        try await cluster.write("v1")
        #expect(try await cluster.read()?.version == "v1")
        try PostgresPlace.control("stop", "primary", "start")
        try await alone.write("v3")
        await alone.close()
        await cluster.close()
    }
}
