import CofferCore
import CofferVault
import CofferVaultKit
import Testing

@testable import CofferHashiCorp

/// What the settings of a vault become for its adapter.
@Suite struct HashiCorpDriverTests {
    private let driver = HashiCorpDriver()

    /// - Parameter settings: texts by their settings' names.
    private func vault(_ settings: KeyValuePairs<String, String>) throws -> VaultConfiguration {
        var vault = VaultConfiguration(name: "v", driver: driver)
        for (name, text) in settings {
            let setting = try #require(vault.setting(name), "\(name)")
            #expect(setting.apply([text], &vault), "\(name)")
        }
        return vault
    }

    private func login(
        _ settings: KeyValuePairs<String, String>, secrets: [String: String] = [:]
    ) throws -> String {
        let auth = try driver.auth(try vault(settings)) { names in
            names.lazy.compactMap { secrets[$0] }.first.map { Self.secret($0) }
        }
        func text(_ secret: Secret) -> String { secret.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
        switch auth {
        case .token(let token): return "token \(text(token))"
        case .tokenFile(let file): return "file \(file)"
        case .appRole(let mount, let role, .file(let file)): return "approle \(mount) \(role) file \(file)"
        case .appRole(let mount, let role, .value(let value)): return "approle \(mount) \(role) \(text(value))"
        case .appRole(let mount, let role, nil): return "approle \(mount) \(role)"
        case .kubernetes(let mount, let role, let file): return "kubernetes \(mount) \(role) \(file)"
        case .jwt(let mount, let role, let file): return "jwt \(mount) \(role ?? "-") \(file)"
        }
    }

    private static func secret(_ text: String) -> Secret {
        SecretWriter.build(count: text.utf8.count) { $0.append(text) }
    }

    @Test func everyLoginGetsWhatItNeeds() throws {
        #expect(try login(["auth": "token"], secrets: ["VAULT_TOKEN": "t"]) == "token t")
        #expect(try login(["auth": "token-file", "token_file": "/t"]) == "file /t")
        #expect(try login(["auth": "approle", "role_id": "r"]) == "approle approle r")
        #expect(try login(["auth": "approle", "role_id": "r"], secrets: ["BAO_SECRET_ID": "s"]) == "approle approle r s")
        #expect(
            try login(["auth": "approle", "role_id": "r", "secret_id_file": "/s", "auth_mount": "m"])
                == "approle m r file /s")
        #expect(
            try login(["auth": "kubernetes", "role": "r"])
                == "kubernetes kubernetes r /var/run/secrets/kubernetes.io/serviceaccount/token")
        #expect(
            try login(["auth": "kubernetes", "role": "r", "token_file": "/t", "auth_mount": "k8s/b"])
                == "kubernetes k8s/b r /t")
        #expect(try login(["auth": "jwt", "token_file": "/t"]) == "jwt jwt - /t")
        #expect(try login(["auth": "jwt", "token_file": "/t", "role": "r"]) == "jwt jwt r /t")
    }

    @Test func aTokenThatIsNotSetIsAFault() throws {
        let vault = try vault(["auth": "token"])
        #expect(throws: Failure.self) { try driver.auth(vault) { _ in nil } }
    }
}
