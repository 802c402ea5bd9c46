import CofferCore
import CofferHTTP
import CofferVaultKit
import Testing

@testable import CofferAzure

/// Variables and rules.
@Suite struct AzureDriverTests {
    private func vault(_ settings: [String: String]) throws -> VaultConfiguration {
        var vault = VaultConfiguration(name: "cloud", driver: AzureDriver())
        for (name, text) in settings { #expect(try #require(vault.setting(name), "\(name)").apply([text], &vault), "\(name)") }
        return vault
    }

    @Test func aNameIsAnAddressToo() throws {
        var vault = try vault([:])
        #expect(AzureDriver().adopt(EnvironmentVariables(["KEY_VAULT_NAME": "My-Vault"]), into: &vault).isEmpty)
        #expect(vault[AzureDriver.address] == "https://my-vault.vault.azure.net" && AzureDriver().mistakes(in: vault).isEmpty)
    }

    @Test(arguments: [([:], "AZURE_KEYVAULT_URL"), (["KEY_VAULT_NAME": "a.b"], "KEY_VAULT_NAME")])
    func withoutAnAddressOneVariableIsNamed(variables: [String: String], place: String) throws {
        var vault = try vault([:])
        #expect(AzureDriver().adopt(EnvironmentVariables(variables), into: &vault).map(\.place) == [place])
    }

    @Test(arguments: [
        (["vault_url": "https://v.vault.azure.net"], []), ([:], [""]),
        (["vault_url": "https://v.vault.azure.net", "prefix": "A"], ["prefix"]),
        (["vault_url": "http://v.example"], ["vault_url"]),
        (["vault_url": "https://v.vault.azure.net", "authority_host": "http://login.example"], ["authority_host"]),
        (["vault_url": "https://v.vault.azure.net", "client_secret_file": "/s", "certificate_file": "/c"], ["certificate_file"]),
        (["vault_url": "https://v.vault.azure.net", "client_secret_file": "/s", "federated_token_file": "/f"], ["federated_token_file"]),
        (["vault_url": "https://v.vault.azure.net", "certificate_file": "/c", "federated_token_file": "/f"], ["federated_token_file"]),
    ] as [([String: String], [String])])
    func mistakesAreFoundBeforeTheStart(settings: [String: String], places: [String]) throws {
        #expect(AzureDriver().mistakes(in: try vault(settings)).map(\.place) == places)
    }

    /// Where platforms set the variables, the first counts: see `theOrderIsMicrosofts`.
    @Test func variablesMayNameSeveralLogins() throws {
        var vault = VaultConfiguration(name: "cloud", driver: AzureDriver(), isNamed: false)
        vault[AzureDriver.address] = "https://v.vault.azure.net"
        (vault[AzureDriver.certificate], vault[AzureDriver.federatedToken]) = ("/c", "/f")
        #expect(AzureDriver().mistakes(in: vault).isEmpty)
    }

    /// Microsoft's own programs take a host alone too.
    @Test(arguments: [
        ("login.microsoftonline.us", "https://login.microsoftonline.us"), ("https://login.microsoftonline.us/", "https://login.microsoftonline.us/"),
        ("login.example:8443", "https://login.example:8443"), ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ])
    func anAuthorityMayBeAHost(text: String, address: String) throws {
        let vault = try vault(["authority_host": text])
        #expect(vault[AzureDriver.authority] == address)
        #expect(vault.setting("authority_host")?.variables.contains("AZURE_AUTHORITY_HOST") == true)
    }

    @Test(arguments: ["", "login host", "login.example/tenant", "user@login.example", "ftp://login.example", "https://"])
    func whatIsNoAuthorityIsRefused(text: String) throws {
        var vault = try vault([:])
        let isTaken = try #require(vault.setting("authority_host")).apply([text], &vault)
        #expect(!isTaken)
    }

    /// No secret stays in the environment, nor is it printed.
    @Test func secretsAreTakenOutOfTheEnvironment() {
        let secrets = Set(AzureDriver().secretVariables)
        #expect(secrets.isSuperset(of: ["AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PASSWORD", "IDENTITY_HEADER"]))
        #expect(secrets.isDisjoint(with: AzureDriver().variables + AzureDriver().settings.flatMap(\.variables)))
    }
}
