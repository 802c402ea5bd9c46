import CofferCore
import CofferDaemon
import CofferVaultCatalogue
import CofferVaultKit
import Foundation
import Testing

/// These change the process's environment, so they run one after another.
@Suite(.serialized) struct SecretVariablesTests {
    private func text(_ secret: Secret?) -> String? {
        secret.map { secret in secret.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
    }

    @Test func takesEachAndLeavesNone() throws {
        setenv("CREDENTIAL_ENCRYPTION_KEY", "one", 1)
        setenv("VAULT_TOKEN", "two", 1)
        setenv("VAULT_SECRET_ID", "three", 1)
        let token = try #require(getenv("VAULT_TOKEN"))
        #expect(Environment.current().variables["VAULT_TOKEN"] == "set", "only that there is one")
        let taken = SecretVariables.take(VaultCatalogue.standard.secretVariables)
        #expect(text(taken.passphrase) == "one")
        #expect(text(taken[["BAO_TOKEN", "VAULT_TOKEN"]]) == "two")
        #expect(text(taken[["BAO_SECRET_ID", "VAULT_SECRET_ID"]]) == "three")
        for name in ["CREDENTIAL_ENCRYPTION_KEY", "VAULT_TOKEN", "VAULT_SECRET_ID"] {
            #expect(getenv(name) == nil, "\(name)")
        }
        #expect((0..<3).allSatisfy { token[$0] == 0 }, "wiped where it stood")
        #expect(SecretVariables.take(VaultCatalogue.standard.secretVariables)[["BAO_TOKEN", "VAULT_TOKEN"]] == nil)
    }

    @Test(arguments: ["token\n", "token\r\n", "token"]) func aLineEndDoesNotCount(value: String) throws {
        setenv("VAULT_TOKEN", value, 1)
        setenv("VAULT_SECRET_ID", String(value.dropFirst(5)), 1)
        #expect(Environment.current().variables["VAULT_SECRET_ID"] ?? "" == "", "nothing but a line end is nothing")
        let taken = SecretVariables.take(VaultCatalogue.standard.secretVariables)
        #expect(text(taken[["BAO_TOKEN", "VAULT_TOKEN"]]) == "token")
        #expect(taken[["BAO_SECRET_ID", "VAULT_SECRET_ID"]] == nil)
    }

    @Test func openBaosWinsEvenWhenEmpty() throws {
        setenv("VAULT_TOKEN", "v", 1)
        setenv("BAO_TOKEN", "b", 1)
        setenv("VAULT_SECRET_ID", "v", 1)
        setenv("BAO_SECRET_ID", "", 1)
        #expect(Environment.current().variables["BAO_SECRET_ID"] == "")
        let taken = SecretVariables.take(VaultCatalogue.standard.secretVariables)
        #expect(text(taken[["BAO_TOKEN", "VAULT_TOKEN"]]) == "b")
        #expect(taken[["BAO_SECRET_ID", "VAULT_SECRET_ID"]] == nil)
        #expect(getenv("VAULT_TOKEN") == nil)
        #expect(getenv("VAULT_SECRET_ID") == nil)
    }
}
