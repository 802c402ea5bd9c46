import CofferCore
import CofferEmbedded
import CofferMemory
import CofferVault
import CofferVaultKit
import Foundation
import Logging
import Testing

@testable import CofferCrypto
@testable import CofferDaemon

/// Daemons that did not compare the names of environments by what they mean have left databases
/// bound to names like "Production".
@Suite struct FormerEnvironmentTests {
    private let clock = SystemClock()
    private let random = SystemRandom()
    private let keys: KeyRing
    private let folder: String

    init() throws {
        let term = KeyTerm(id: 1, name: "test", state: .active, createdAt: 1, key: Self.secret(byte: 3))
        keys = KeyRing(base: Self.secret(byte: 5), terms: [term])
        var name = Array("/tmp/coffer-environment-XXXXXX".utf8CString)
        try #require(mkdtemp(&name) != nil)
        folder = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func secret(byte: UInt8) -> Secret {
        Secret(count: 32) { $0.initializeMemory(as: UInt8.self, repeating: byte) }
    }

    private static func text(_ text: String) -> Secret {
        SecretWriter.build(count: text.utf8.count) { $0.append(text) }
    }

    private func configuration(_ written: String, former: String = "") throws -> Configuration {
        let variables = ["COFFER_ENV": written, "COFFER_FORMER_ENV": former, "COFFER_DATA": folder]
        var configuration = try ConfigurationLoader(environment: variables, isRoot: true) { _ in nil }.load(.init())
        configuration.data = folder
        return configuration
    }

    private func opened(_ written: String, former: String = "") throws(any Error) -> RecordStore {
        let opener = VaultOpener(
            try configuration(written, former: former),
            SecretVariables(passphrase: nil, values: [:]), clock: clock, random: random,
            log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        return try opener.open(keys).pool.vaults[0].store
    }

    /// What an earlier daemon left, with one record.
    private func database(of environment: String, _ key: RecordKey) async throws {
        let path = "\(folder)/\(try fileName())"
        let vault = try EmbeddedVault.open(path: path, name: "embedded", clock: clock, random: random) {
            existing, identity throws(Failure) in
            try KeyCheck.check(
                existing: existing, identity: identity, keys: keys, environment: environment, generation: 1, random: random
            ).kept
        }
        let store = RecordStore(vault: vault, keys: keys, environment: environment, clock: clock, random: random)
        try await write("old", key, store)
        await vault.close()
    }

    private func fileName() throws -> String {
        let vault = try configuration("x").vaults[0]
        return try #require(vault.driver.dataFile(of: vault))
    }

    private func write(_ text: String, _ key: RecordKey, _ store: RecordStore) async throws {
        _ = try await store.write(
            key, credential: Self.text(text), labels: [:], ttlSeconds: 0, condition: .none, deadline: clock.boot + .seconds(5))
    }

    private func read(_ key: RecordKey, _ store: RecordStore) async throws -> Secret? {
        try await store.read(key, deadline: clock.boot + .seconds(5))?.body.credential
    }

    @Test(arguments: [("Production", "Production"), ("Production", "production"), ("production\r", "production"), (" staging", "staging")])
    func aDatabaseBoundToAnotherSpellingOpensWithItsRecords(bound: String, configured: String) async throws {
        defer { removeFolder() }
        let (old, new) = (try RecordKey(user: "u", connection: "old"), try RecordKey(user: "u", connection: "new"))
        try await database(of: bound, old)
        for round in 0..<2 {
            let store = try opened(configured)
            #expect(try await read(old, store)?.isEqual(to: Self.text("old")) == true)
            #expect(try await read(new, store)?.isEqual(to: Self.text("new")) == (round == 0 ? nil : true))
            try await write("new", new, store)
            await store.close()
        }
    }

    @Test(arguments: [("staging", "production"), ("Staging", "staging"), ("prod", "production"), ("", "production")])
    func aDatabaseOfAnotherEnvironmentIsRefused(bound: String, configured: String) async throws {
        defer { removeFolder() }
        try await database(of: bound, RecordKey(user: "u", connection: "old"))
        #expect(throws: StartupError.self) { try opened(configured) }
    }

    /// `prod` was a name like any other; now it is refused.
    @Test func aDatabaseOpensUnderTheNameThatItHadBefore() async throws {
        defer { removeFolder() }
        let key = try RecordKey(user: "u", connection: "old")
        try await database(of: "prod", key)
        #expect(throws: StartupError.self) { try opened("production", former: "stage") }
        for _ in 0..<2 {
            let store = try opened("production", former: "prod")
            #expect(try await read(key, store)?.isEqual(to: Self.text("old")) == true)
            await store.close()
        }
    }

    /// It would be opened without the rules that production has.
    @Test(arguments: ["development", "staging"], ["production", "Production", " production "])
    func productionIsNoFormerNameOfAnother(configured: String, former: String) throws {
        #expect(throws: ConfigurationErrors.self) { try configuration(configured, former: former) }
        #expect(throws: Never.self) { try configuration("production", former: former) }
    }

    @Test func recordsSealedUnderTheWrittenSpellingAreRead() async throws {
        defer { removeFolder() }
        let written = try configuration("Production")
        #expect(written.environment == "production" && written.formerEnvironments == ["Production"])
        #expect(try configuration("production").formerEnvironments == [])
        let vault = MemoryVault(name: "m", clock: clock, random: random)
        let key = try RecordKey(user: "u", connection: "c")
        try await write("old", key, RecordStore(vault: vault, keys: keys, environment: "Production", clock: clock, random: random))
        func store(former: [String]) throws -> RecordStore {
            try RecordStore(
                vault: vault, keys: keys, environment: written.environment, formerEnvironments: former, format: .sealed,
                accept: [.sealed], legacy: nil, clock: clock, random: random)
        }
        await #expect(throws: Failure.self) { try await read(key, store(former: [])) }
        #expect(try await read(key, store(former: written.formerEnvironments))?.isEqual(to: Self.text("old")) == true)
        // What is written now needs no other spelling.
        try await write("new", key, store(former: written.formerEnvironments))
        #expect(try await read(key, store(former: []))?.isEqual(to: Self.text("new")) == true)
    }

    /// An earlier name does not hide the spelling, nor the other way round.
    @Test func recordsUnderBothTheSpellingAndAnEarlierNameAreRead() async throws {
        defer { removeFolder() }
        let configured = try configuration(" Production ", former: "prod")
        let vault = MemoryVault(name: "m", clock: clock, random: random)
        let store = try RecordStore(
            vault: vault, keys: keys, environment: configured.environment, formerEnvironments: configured.formerEnvironments,
            format: .sealed, accept: [.sealed], legacy: nil, clock: clock, random: random)
        for (number, name) in [" Production ", "prod", "production"].enumerated() {
            let key = try RecordKey(user: "u", connection: "c\(number)")
            try await write("v", key, RecordStore(vault: vault, keys: keys, environment: name, clock: clock, random: random))
            #expect(try await read(key, store)?.isEqual(to: Self.text("v")) == true, "\(name)")
        }
    }

    private func removeFolder() { try? FileManager.default.removeItem(atPath: folder) }
}
