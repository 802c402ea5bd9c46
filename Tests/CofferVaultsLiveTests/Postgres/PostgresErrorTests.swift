import CofferCore
import CofferVault
import CofferVaultConformance
import Foundation
import Testing

@testable import CofferPostgres

/// What goes wrong, with a real server.
@Suite struct PostgresErrorTests {
    private func fails(
        _ settings: [String: String], password: String? = nil, _ code: StatusCode, _ reason: Failure.Reason, _ text: String,
        retryable: Bool = false, unsent: Bool? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let vault = try PostgresPlace.vault(
            ["schema": PostgresPlace.newSchema()].merging(settings) { $1 }, password: password)
        await PostgresPlace.expect(code, reason, text, retryable: retryable, unsent: unsent, sourceLocation: sourceLocation) {
            () throws(Failure) in try await vault.write("v1")
        }
        await PostgresPlace.expect(code, reason, text, retryable: retryable, sourceLocation: sourceLocation) {
            () throws(Failure) in try await vault.check(deadline: Live.deadline)
        }
        await vault.close()
    }

    @Test(.timeLimit(.minutes(1))) func nobodyThere() async throws {
        try await fails(
            ["url": try PostgresPlace.url(port: "NOBODY_PORT")], .unavailable, .vaultUnreachable, "cannot connect",
            retryable: true, unsent: true)
    }

    @Test(.timeLimit(.minutes(1))) func wrongPassword() async throws {
        try await fails([:], password: "wrong", .unauthenticated, .vaultRefused, "28P01", unsent: false)
        try await fails(
            ["url": try PostgresPlace.url(user: "unknown")], .unauthenticated, .vaultRefused, "28P01", unsent: false)
        try await fails([:], password: "", .unauthenticated, .vaultRefused, "there is none")
    }

    @Test(.timeLimit(.minutes(1))) func certificates() async throws {
        let other = try PostgresPlace.variable("OTHER_CA")
        try await fails(["ca_file": other], .failedPrecondition, .vaultUnreachable, "TLS", unsent: true)
        // A server whose certificate has another host's name.
        let alias = try PostgresPlace.url(port: "OTHER_PORT")
        try await fails(["url": alias], .failedPrecondition, .vaultUnreachable, "TLS", unsent: true)
        try await fails(["ca_file": "/nonexistent/ca.pem"], .failedPrecondition, .vaultUnreachable, "TLS", unsent: true)
        let vault = try PostgresPlace.vault(["url": alias, "tls": "verify-ca", "schema": PostgresPlace.newSchema()])
        try await vault.write("v1")
        await vault.close()
    }

    @Test(.timeLimit(.minutes(1))) func withoutTLS() async throws {
        // pg_hba.conf admits this role with TLS only.
        try await fails(["tls": "disable", "ca_file": ""], .unauthenticated, .vaultRefused, "28000")
        let vault = try PostgresPlace.vault([
            "url": try PostgresPlace.url(user: "plain"), "tls": "disable", "ca_file": "",
            "schema": PostgresPlace.newSchema(),
        ])
        try await vault.write("v1")
        await vault.close()
    }

    @Test(.timeLimit(.minutes(1))) func missingParts() async throws {
        try await fails(
            ["url": try PostgresPlace.url(database: "nowhere")], .failedPrecondition, .vaultRefused, "3D000")
        try await fails(["create_tables": "false"], .failedPrecondition, .vaultRefused, "set create_tables")
        try await fails(
            ["url": try PostgresPlace.url(user: "nobody")], .failedPrecondition, .vaultRefused, "may not make them")
    }

    @Test(.timeLimit(.minutes(1))) func missingPrivileges() async throws {
        let schema = PostgresPlace.newSchema()
        let owner = try PostgresPlace.vault(["schema": schema])
        try await owner.write("v1")
        let role = ["schema": schema, "url": try PostgresPlace.url(user: "nobody")]
        try await fails(role, .permissionDenied, .vaultRefused, "42501")
        _ = try PostgresPlace.sql(
            "GRANT USAGE ON SCHEMA \"\(schema)\" TO nobody; GRANT SELECT ON ALL TABLES IN SCHEMA \"\(schema)\" TO nobody")
        let reader = try PostgresPlace.vault(role)
        #expect(try await reader.read()?.version == "v1")
        await PostgresPlace.expect(.permissionDenied, .vaultRefused, "42501") { () throws(Failure) in
            try await reader.write("v2")
        }
        await owner.close()
        await reader.close()
    }

    @Test(.timeLimit(.minutes(1))) func readOnly() async throws {
        let schema = PostgresPlace.newSchema()
        let owner = try PostgresPlace.vault(["schema": schema])
        try await owner.write("v1")
        _ = try PostgresPlace.sql(
            "GRANT USAGE ON SCHEMA \"\(schema)\" TO reader; GRANT ALL ON ALL TABLES IN SCHEMA \"\(schema)\" TO reader")
        let reader = try PostgresPlace.vault(["schema": schema, "url": try PostgresPlace.url(user: "reader")])
        #expect(try await reader.read()?.version == "v1")
        await PostgresPlace.expect(.unavailable, .vaultFailed, "25006", retryable: true) { () throws(Failure) in
            try await reader.write("v2")
        }
        #expect(try await owner.read()?.version == "v1")
        await owner.close()
        await reader.close()
    }

    @Test(.timeLimit(.minutes(1))) func transactionPooling() async throws {
        let pooled = [
            "url": try PostgresPlace.url(port: "TRANSACTION_PORT"), "tls": "disable", "ca_file": "",
        ]
        for _ in 0..<5 {
            try await fails(pooled, .failedPrecondition, .vaultRefused, "a connection pooler in transaction mode")
        }
    }

    @Test(.timeLimit(.minutes(1))) func tablesOfALaterVersion() async throws {
        let schema = PostgresPlace.newSchema()
        let owner = try PostgresPlace.vault(["schema": schema])
        try await owner.write("v1")
        await owner.close()
        _ = try PostgresPlace.sql("INSERT INTO \"\(schema)\".schema_version (version) VALUES (2)")
        try await fails(["schema": schema], .failedPrecondition, .vaultRefused, "of version 2", unsent: true)
    }

    /// Somebody drops the tables under a daemon.
    @Test(.timeLimit(.minutes(1))) func tablesThatAreGone() async throws {
        let schema = PostgresPlace.newSchema()
        let vault = try PostgresPlace.vault(["schema": schema, "connections": "1"])
        try await vault.write("v1")
        _ = try PostgresPlace.sql("DROP SCHEMA \"\(schema)\" CASCADE")
        await PostgresPlace.expect(.failedPrecondition, .vaultRefused, "42P01") { () throws(Failure) in
            try await vault.write("v2")
        }
        // The next call looks for them and makes them.
        try await vault.write("v3")
        #expect(try await vault.read()?.version == "v3")
        await vault.close()
    }

    /// Such a database would give names that are no UTF-8, where a list ends early.
    @Test(.timeLimit(.minutes(1))) func aDatabaseThatChecksNoTexts() async throws {
        try await fails(
            ["url": try PostgresPlace.url(database: "unchecked")], .failedPrecondition, .vaultRefused, "SQL_ASCII", unsent: true)
    }

    @Test(.timeLimit(.minutes(1))) func aTableThatChangesUnderAStatement() async throws {
        let schema = PostgresPlace.newSchema()
        let vault = try PostgresPlace.vault(["schema": schema, "connections": "1"])
        try await vault.write("v1")
        #expect(try await vault.read()?.version == "v1")
        _ = try PostgresPlace.sql("ALTER TABLE \"\(schema)\".credential ALTER COLUMN version TYPE varchar(128) COLLATE \"C\"")
        await PostgresPlace.expect(.unavailable, .vaultFailed, "0A000", retryable: true) { () throws(Failure) in
            _ = try await vault.read()
        }
        #expect(try await vault.read()?.version == "v1")
        await vault.close()
    }
}
