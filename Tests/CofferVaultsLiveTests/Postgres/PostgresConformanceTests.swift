import CofferCore
import CofferVault
import CofferVaultConformance
import Testing

@testable import CofferPostgres

/// PostgresVault keeps the promises of `VaultAdapter` against a real server.
@Suite struct PostgresConformanceTests {
    /// With tables that it makes itself.
    @Test(.timeLimit(.minutes(2)), arguments: VaultConformance.allCases)
    func server(duty: VaultConformance) async throws {
        try await duty.check(PostgresFixture(settings: ["schema": PostgresPlace.newSchema()]))
    }

    /// As the role, with the rights and the tables that the manual's page gives it.
    @Test(.timeLimit(.minutes(2)), arguments: VaultConformance.allCases)
    func leastPrivileges(duty: VaultConformance) async throws {
        try await duty.check(
            PostgresFixture(settings: [
                "url": try PostgresPlace.url(user: "cofferd", database: "manual"), "create_tables": "false",
                "prefix": PostgresPlace.newSchema(),
            ]))
    }

    /// By the Unix socket, without TLS or a password.
    @Test(.timeLimit(.minutes(2)), arguments: [VaultConformance.readsWhatWasWritten, .tellsOfChanges, .checks])
    func socket(duty: VaultConformance) async throws {
        let (folder, port) = (try PostgresPlace.variable("SOCKET"), try PostgresPlace.variable("PORT"))
        try await duty.check(
            PostgresFixture(settings: [
                "url": "postgresql://app@/coffer?host=\(folder)&port=\(port)", "ca_file": "",
                "schema": PostgresPlace.newSchema(),
            ]))
    }

    /// Behind a pooler that lends a connection for as long as the client has its own.
    @Test(
        .timeLimit(.minutes(2)),
        arguments: [VaultConformance.readsWhatWasWritten, .noUpdateIsLost, .tellsOfChanges, .checks])
    func sessionPooling(duty: VaultConformance) async throws {
        try await duty.check(
            PostgresFixture(settings: [
                "url": try PostgresPlace.url(port: "SESSION_PORT"), "ca_file": "", "tls": "disable", "connections": "3",
                "schema": PostgresPlace.newSchema(),
            ]))
    }

    /// In a database of another encoding: names are ASCII, whatever the ids are.
    @Test(.timeLimit(.minutes(2)), arguments: [VaultConformance.keepsTheLongestName, .listsInPagesOfAnySize])
    func otherEncoding(duty: VaultConformance) async throws {
        try await duty.check(
            PostgresFixture(settings: [
                "url": try PostgresPlace.url(database: "latin"), "schema": PostgresPlace.newSchema(),
            ]))
    }
}

struct PostgresFixture: VaultFixture {
    let settings: [String: String]
    let settable = SettableClock()
    var clock: any Clock { settable }
    let expiryStep: UInt64 = 1

    func advance(milliseconds: UInt64) { settable.manual.advance(milliseconds: milliseconds) }
    func open() throws -> any VaultAdapter {
        // Many suites run at a time.
        try PostgresPlace.vault(["connections": "4"].merging(settings) { $1 }, clock: settable)
    }
    func reopen() throws -> (any VaultAdapter)? { try open() }
    func another() throws -> (any VaultAdapter)? { try open() }
}
