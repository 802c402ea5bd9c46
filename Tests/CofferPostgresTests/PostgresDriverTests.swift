import CofferCore
import CofferCrypto
import CofferVault
import CofferVaultKit
import Foundation
import Synchronization
import Testing

@testable import CofferPostgres

/// What settings are accepted, and what becomes of them.
@Suite struct PostgresDriverTests {
    private let driver = PostgresDriver()

    private func vault(_ settings: [String: String]) throws -> VaultConfiguration {
        var vault = VaultConfiguration(name: "v", driver: driver)
        for (name, text) in settings {
            let setting = try #require(vault.setting(name), "\(name)")
            #expect(setting.apply([text], &vault), "\(name): \(text)")
            vault.locations[name] = "file"
        }
        return vault
    }

    private func mistakes(_ settings: [String: String]) throws -> [String] {
        VaultRules.mistakes(in: try vault(settings)).map { "\($0.place): \($0.message)" }
    }

    private static let url = "postgresql://u@h/d"

    @Test func soundSettings() throws {
        let all: [[String: String]] = [
            [:], ["url": Self.url], ["url": Self.url, "tls": "disable"], ["url": Self.url + "?sslmode=verify-full"],
            ["url": Self.url + "?sslmode=disable", "tls": "disable"], ["url": Self.url + "?sslmode=require", "tls": "verify-ca"],
            ["url": "postgresql://u@/d?sslmode=disable"], ["url": Self.url, "ca_file": "/ca", "schema": "a_1"],
            ["url": Self.url, "client_certificate_file": "/c", "client_key_file": "/k"],
        ]
        for settings in all { #expect(try mistakes(settings) == [], "\(settings)") }
    }

    @Test func mistakesBetweenSettings() throws {
        #expect(
            try mistakes(["format": "json"]) == [
                "format: no other program reads the tables of a vault of type postgres; expected sealed",
                "accept: no other program reads the tables of a vault of type postgres; expected [sealed]",
            ])
        #expect(try mistakes(["url": Self.url + "?sslmode=disable"]).first?.hasPrefix("url: sslmode=disable would send") == true)
        #expect(try mistakes(["url": Self.url + "?sslmode=require"]) == ["url: sslmode: expected verify-full; a weaker mode is set by tls"])
        #expect(
            try mistakes(["url": "postgresql://u@/d", "ca_file": "/ca"]) == [
                "ca_file: the url names a Unix socket, which uses no TLS; remove this setting"
            ])
        #expect(try mistakes(["url": Self.url, "tls": "disable", "ca_file": "/ca"]) == ["ca_file: belongs to TLS; this vault has tls: disable"])
        #expect(
            try mistakes(["url": Self.url, "client_key_file": "/k"]) == [
                "client_key_file: client_certificate_file is missing; a key needs its certificate"
            ])
    }

    @Test(arguments: [
        ("url", "postgresql://u:p@h/d"), ("url", "https://h"), ("schema", "Coffer"), ("schema", "a b"), ("schema", "1a"),
        ("schema", "a\"b"), ("schema", String(repeating: "a", count: 49)), ("tls", "require"), ("connections", "0"),
        ("connections", "257"), ("password_file", "secret"),
    ])
    func valuesThatAreRefused(name: String, text: String) throws {
        var vault = VaultConfiguration(name: "v", driver: driver)
        #expect(try #require(vault.setting(name)).apply([text], &vault) == false)
    }

    /// No secret goes to two vaults, and one without need of a password uses none up.
    @Test func secretsThatAreUsedUp() throws {
        #expect(driver.secret(of: try vault([:])) == "DATABASE_URL")
        #expect(driver.secret(of: try vault(["url": Self.url])) == "PGPASSWORD")
        #expect(driver.secret(of: try vault(["url": Self.url, "password_file": "/p"])) == nil)
        #expect(driver.secret(of: try vault(["url": "postgresql://u@/d"])) == nil)
        #expect(driver.secret(of: try vault(["url": Self.url, "client_certificate_file": "/c", "client_key_file": "/k"])) == nil)
    }

    @Test func theOneVaultOfADaemonNeedsItsAddress() throws {
        var none = try vault([:])
        #expect(driver.adopt(EnvironmentVariables([:]), into: &none).map(\.place) == ["DATABASE_URL"])
        #expect(driver.adopt(EnvironmentVariables(["DATABASE_URL": "set"]), into: &none) == [])
        var one = try vault(["url": Self.url])
        #expect(driver.adopt(EnvironmentVariables([:]), into: &one) == [])
    }

    // MARK: Opening

    private func context(_ secrets: [String: String], _ variables: [String: String] = [:]) -> VaultContext {
        VaultContext(
            clock: SystemClock(), random: SystemRandom(), dataFolder: "/nonexistent", patience: .seconds(1),
            secret: { names in names.lazy.compactMap { secrets[$0] }.first.map { Secret($0) } },
            variable: { variables[$0].map { Secret($0) } }, readFile: { _, _ throws(Failure) in Secret("from-file\n") },
            readFileLater: { _, _, _ async throws(Failure) in Secret("from-file\n") }, tlsFiles: { _ throws(Failure) in nil },
            connect: { _ throws(Failure) in throw .internalError("HTTP") }, whenReloaded: { _, _ in },
            keyCheck: { _, _ throws(Failure) in [] }, notice: { _, _ in })
    }

    private func opening(
        _ settings: [String: String], secrets: [String: String] = [:], variables: [String: String] = [:]
    ) throws -> String? {
        let vault = try vault(settings)
        do throws(Failure) {
            _ = try driver.open(vault, context(secrets, variables))
            return nil
        } catch {
            return error.message
        }
    }

    @Test func opensWithoutAskingAnybody() throws {
        let plain = ["tls": "disable"]
        #expect(try opening(plain, secrets: ["DATABASE_URL": "postgres://u:p@h/d?sslmode=disable"]) == nil)
        #expect(try opening(plain.merging(["url": Self.url]) { $1 }, secrets: ["PGPASSWORD": "p"]) == nil)
        #expect(try opening(["url": "postgresql://u@/d"]) == nil)
    }

    @Test func saysWhyItDoesNotOpen() throws {
        #expect(try opening([:])?.hasPrefix("url is missing, and DATABASE_URL is not set") == true)
        let wrong = try opening([:], secrets: ["DATABASE_URL": "postgres://u:s3cret@h:x/d"])
        #expect(wrong == "DATABASE_URL: expected a port from 1 to 65535")
        let open = try opening([:], secrets: ["DATABASE_URL": "postgres://u:s3cret@h/d?sslmode=disable"])
        #expect(open?.hasPrefix("DATABASE_URL: sslmode=disable would send everything without TLS") == true)
        for name in ["PGSERVICE", "PGOPTIONS", "PGREQUIREPEER", "PGSERVICEFILE", "PGHOSTADDR", "PGREQUIREAUTH"] {
            #expect(
                try opening(["url": "postgresql://u@/d"], variables: [name: "x"])
                    == "\(name): libpq would obey it beside this configuration; unset it for cofferd")
        }
    }

    /// A NUL would end the password in C, and what is behind it would be options.
    @Test func aPasswordWithANULIsRefused() throws {
        let vault = try vault(["url": "postgresql://u@127.0.0.1:1/d", "tls": "disable"])
        let address = try PostgresAddress(vault[PostgresSettings.url])
        let passwords: [PostgresPassword] = [
            .value(Secret("p\0host\0elsewhere")),
            .file("/p") { () throws(Failure) in Secret("p\0host\0elsewhere\n") },
        ]
        for password in passwords {
            let server = PostgresServer(try PostgresOptions(vault, address, password), PostgresDependencies())
            do throws(PostgresFault) {
                _ = try server.connect(deadline: SystemClock().boot + .seconds(5))
                Issue.record("it connects")
            } catch {
                let failure = Failure.postgres(error, .read, vault: "v")
                #expect(failure.code == .failedPrecondition && failure.message.contains("NUL"), "\(failure)")
                #expect(failure.isUnsent && !failure.message.contains("elsewhere"))
            }
        }
    }

    /// The first reload says whether the password is another than the one that connections were made with.
    @Test func aReloadKnowsThePasswordOfTheFirstConnection() throws {
        let vault = try vault(["url": "postgresql://u@127.0.0.1:1/d", "tls": "disable"])
        let password = PostgresPassword.file("/p") { () throws(Failure) in Secret("first\n") }
        let options = try PostgresOptions(vault, try PostgresAddress(vault[PostgresSettings.url]), password)
        let server = PostgresServer(options, PostgresDependencies())
        #expect(throws: PostgresFault.self) { _ = try server.connect(deadline: SystemClock().boot + .seconds(5)) }
        #expect(!server.note(password: Secret("first")))
        #expect(server.note(password: Secret("second")))
        #expect(!server.note(password: Secret("second")))
    }

    /// Every option is there by name, so that libpq looks for none of these in the environment or the home folder.
    @Test func libpqIsToldEverything() throws {
        let vault = try vault(["url": "postgresql://u@h:5433/d", "ca_file": "/ca.pem"])
        let options = try PostgresOptions(vault, try PostgresAddress("postgresql://u@h:5433/d"), .none)
        let text = options.link(to: options.hosts[0], password: Secret("p w")).withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        let parts = text.split(separator: "\0", omittingEmptySubsequences: false)
        #expect(parts.suffix(2) == ["", ""])
        let values = Dictionary(
            uniqueKeysWithValues: stride(from: 0, to: parts.count - 2, by: 2).map { (String(parts[$0]), String(parts[$0 + 1])) })
        #expect(values["host"] == "h" && values["port"] == "5433" && values["user"] == "u" && values["dbname"] == "d")
        #expect(values["sslmode"] == "verify-full" && values["sslrootcert"] == "/ca.pem" && values["password"] == "p w")
        for name in [
            "gssencmode", "passfile", "sslcert", "sslkey", "sslcrl", "sslcrldir", "target_session_attrs", "channel_binding",
            "client_encoding", "application_name", "ssl_min_protocol_version", "ssl_max_protocol_version", "krbsrvname",
            "connect_timeout", "sslrootcert",
        ] {
            #expect(values[name]?.isEmpty == false, "\(name)")
        }
    }

    // MARK: Files

    /// Each file that is read for a connection is looked at by the start and by `--check`, too.
    @Test func filesOfLaterAreExpected() throws {
        let expected = Mutex<[ExpectedFile]>([])
        let context = VaultContext(
            clock: SystemClock(), random: SystemRandom(), dataFolder: "/nonexistent", patience: .seconds(1), secret: { _ in nil },
            variable: { _ in nil }, readFile: { _, _ throws(Failure) in nil }, readFileLater: { _, _, _ async throws(Failure) in nil },
            tlsFiles: { _ throws(Failure) in nil }, connect: { _ throws(Failure) in throw .internalError("HTTP") },
            whenReloaded: { _, _ in }, keyCheck: { _, _ throws(Failure) in [] }, notice: { _, _ in },
            expect: { _, file in expected.withLock { $0.append(file) } })
        let settings = try vault([
            "url": Self.url, "password_file": "/p", "ca_file": "/ca", "client_certificate_file": "/c", "client_key_file": "/k",
        ])
        _ = try driver.open(settings, context)
        let files = expected.withLock { $0 }
        #expect(files.map(\.setting) == ["password_file", "ca_file", "client_certificate_file", "client_key_file"])
        #expect(files.map(\.path) == ["/p", "/ca", "/c", "/k"])
        #expect(files.map(\.rule) == [.secret, .open, .open, .secret])
        for file in files {
            #expect(throws: Failure.self) { try file.check(Secret("")) }
            #expect(throws: Never.self) { try file.check(Secret("x\n")) }
        }
    }

    @Test func aPasswordFileHoldsAPassword() throws {
        #expect(try PostgresPassword.checked(Secret("p w\n"), from: "/p").text == "p w")
        for (content, why) in [("", "it is empty"), ("\n", "it is empty"), ("p\0w", "a NUL byte")] {
            let failure = #expect(throws: Failure.self) { try PostgresPassword.checked(Secret(content), from: "/p") }
            #expect(failure?.message.contains(why) == true && failure?.message.contains("/p") == true, "\(content)")
        }
    }

    // MARK: The tables

    /// The manual's page has the SQL that the daemon runs.
    @Test func theManualHasTheTables() throws {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../docs/postgresql.md").standardizedFileURL
        let text = try String(contentsOf: page, encoding: .utf8)
        let tables = PostgresTables(schema: "coffer")
        #expect(tables.scripts.count == Int(PostgresTables.version))
        for script in tables.scripts { #expect(text.contains("```sql\n\(script)\n```"), "docs/postgresql.md has other tables") }
    }

    /// Whoever may write to the table of versions must not end the daemon by it.
    @Test(arguments: [-1, Int64.min]) func noVersionOfTheTablesIsBelowZero(version: Int64) {
        #expect(throws: PostgresFault.garbled) { try PostgresTables.require(version) }
        #expect(throws: PostgresFault.newerTables(2)) { try PostgresTables.require(2) }
        #expect(throws: Never.self) { try PostgresTables.require(0) }
    }

    /// The binary form of parameters, by PostgreSQL's own definition of an array.
    @Test func parameters() {
        let some = PostgresParameters().adding("ü").adding(Int64(-2)).adding([0, 255] as [UInt8]).adding(["a", ""])
        #expect(some.lengths == [2, 8, 2, 29])
        #expect(some.bytes.prefix(12) == [0xC3, 0xBC, 255, 255, 255, 255, 255, 255, 255, 254, 0, 255])
        #expect(
            some.bytes.dropFirst(12) == [
                0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 25, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, UInt8(ascii: "a"), 0, 0, 0, 0,
            ])
        #expect(PostgresParameters().adding([] as [String]).bytes == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25])
    }
}
