package import CofferCore
internal import CofferHTTP
package import CofferVault
package import CofferVaultKit

/// Vaults of type `azure`: Azure Key Vault, its secrets.
package struct AzureDriver: VaultDriver {
    package let type = "azure"
    package let title = "Azure Key Vault"
    package let isLocal = false
    package let guidePrefix = "c"

    package init() {}

    static let address = VaultSetting<String>(
        "vault_url", .address, .value(""), variables: ["AZURE_KEYVAULT_URL", "AZURE_KEY_VAULT_URL", "KEY_VAULT_URL"],
        unset: "required", summary: "The vault's own address, for instance https://NAME.vault.azure.net")
    static let deleted = VaultSetting<AzureOptions.Deleted>(
        "deleted", .choice, .value(.recover),
        summary:
            "What a Store does with a deleted secret of the record's name, which the service keeps for its retention time: `recover` it and write a new version, or `purge` it for good",
        risk: "`recover`: values from before a Delete can be read as older versions. `purge` is impossible under purge protection")
    static let tenant = VaultSetting<String>(
        "tenant_id", .text("a tenant's id or domain", isValid: AzureChallenge.isTenant), .value(""),
        variables: ["AZURE_TENANT_ID"], unset: "the vault's", summary: "The tenant of Microsoft Entra ID that the daemon logs in to")
    static let client = VaultSetting<String>(
        "client_id", .text("an application's id"), .value(""), variables: ["AZURE_CLIENT_ID"], unset: "none: the host's identity",
        summary: "The application to log in as, or the managed identity where the host has several")
    static let clientSecretFile = VaultSetting<String>(
        "client_secret_file", .absoluteFile, .value(""), variables: ["AZURE_CLIENT_SECRET_FILE"],
        summary: "The file with the application's secret, read at each login. Without it `$AZURE_CLIENT_SECRET` is used if it is set")
    static let certificate = VaultSetting<String>(
        "certificate_file", .absoluteFile, .value(""), variables: ["AZURE_CLIENT_CERTIFICATE_PATH"],
        summary: "The file with the application's certificate and its RSA key, PEM. A password is in `$AZURE_CLIENT_CERTIFICATE_PASSWORD`")
    static let federatedToken = VaultSetting<String>(
        "federated_token_file", .absoluteFile, .value(""), variables: ["AZURE_FEDERATED_TOKEN_FILE"],
        summary: "The file with a workload's token, which the application trusts; read at each login")
    static let authority = VaultSetting<String>(
        "authority_host",
        // Microsoft's own programs take both forms in the variable.
        SettingKind(
            "https:// with a host and perhaps a port, without user, path or query; or the host alone",
            parse: { text in
                let address = text.contains("://") ? text : "https://" + text
                return SettingText.isPrintable(address) && HTTPOrigin(address: address) != nil ? address : nil
            }, show: { $0 }), .value("https://login.microsoftonline.com"), variables: ["AZURE_AUTHORITY_HOST"],
        summary: "Where applications log in: another one in China and for the US government",
        risk: "It gets the application's secret")
    static let resource = VaultSetting<String>(
        "resource", .address, .value(""), unset: "by the vault's host",
        summary: "What tokens are asked for, where the vault is reached by another name than the service's: https://vault.azure.net",
        risk: "Who answers at vault_url then gets a token that opens every vault the daemon's identity may use")

    /// All but `literal_names`: no program writes ids as they are here.
    package let settings =
        CommonSettings.all + RemoteSettings.all.filter { $0.name != RemoteSettings.literalNames.name } + [
            address.erased, deleted.erased, tenant.erased, client.erased, clientSecretFile.erased, certificate.erased,
            federatedToken.erased, authority.erased, resource.erased,
        ]

    package let secretVariables = [
        AzureLogin.secretVariable, AzureLogin.passwordVariable, "IDENTITY_HEADER", "AZURE_PASSWORD", "MSI_SECRET",
    ]
    package let variables = [
        "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", "AZURE_POD_IDENTITY_AUTHORITY_HOST", "IDENTITY_ENDPOINT",
        "IDENTITY_SERVER_THUMBPRINT", "IMDS_ENDPOINT", "KEY_VAULT_NAME", "MSI_ENDPOINT",
    ]

    package func adopt(_ variables: EnvironmentVariables, into vault: inout VaultConfiguration) -> [SettingMistake] {
        guard vault[Self.address].isEmpty, vault.locations[Self.address.name] == nil else { return [] }
        let variable = "KEY_VAULT_NAME"
        guard let name = variables.first(of: [variable])?.value else {
            return [
                SettingMistake(
                    "AZURE_KEYVAULT_URL", "is not set; expected the vault's address, for instance https://NAME.vault.azure.net")
            ]
        }
        guard (1...63).contains(name.utf8.count), name.utf8.allSatisfy({ $0.isASCIILetterOrDigit || $0 == UInt8(ascii: "-") }) else {
            return [SettingMistake(variable, "expected a vault's name: letters, digits and hyphens")]
        }
        vault[Self.address] = "https://\(name.lowercased()).vault.azure.net"
        vault.locations[Self.address.name] = variable
        return []
    }

    package func mistakes(in vault: VaultConfiguration) -> [SettingMistake] {
        var found = RemoteSettings.mistakes(
            in: vault,
            addresses: [Self.address, Self.authority, Self.resource].map { ($0.name, vault[$0]) })
        if vault[Self.address].isEmpty {
            found.append(SettingMistake("", "vault_url is missing; expected the vault's address, for instance https://NAME.vault.azure.net"))
        }
        if !AzureVault.nameRules.accepts(prefix: vault[RemoteSettings.prefix]) {
            found.append(SettingMistake("prefix", AzureVault.nameRules.expectsPrefix))
        }
        // Of variables, some of which platforms set by themselves, the first counts: `AzureLogin`.
        let logins = [Self.clientSecretFile, Self.certificate, Self.federatedToken].filter { vault.isNamed && !vault[$0].isEmpty }
        found += logins.dropFirst().map { SettingMistake($0.name, "\(logins[0].name) is also set; choose one login method") }
        return found
    }

    package func location(of vault: VaultConfiguration, dataFolder: String) -> String { "\(title) at \(vault[Self.address])" }

    package func open(_ vault: VaultConfiguration, _ context: VaultContext) throws(Failure) -> any VaultAdapter {
        func origin(_ setting: VaultSetting<String>) throws(Failure) -> HTTPOrigin {
            guard let origin = HTTPOrigin(address: vault[setting]) else {
                throw Failure(.invalidArgument, .badField, "\(setting.name): expected \(setting.kind.expects)", vault: vault.name)
            }
            return origin
        }
        let adapter = try AzureVault(
            name: vault.name,
            options: AzureOptions(
                origin: try origin(Self.address), prefix: vault[RemoteSettings.prefix], deleted: vault[Self.deleted],
                resource: vault[Self.resource].isEmpty ? nil : try origin(Self.resource), tenant: vault[Self.tenant].unlessEmpty,
                client: vault[Self.client].unlessEmpty, clientSecretFile: vault[Self.clientSecretFile].unlessEmpty,
                certificateFile: vault[Self.certificate].unlessEmpty,
                federatedTokenFile: vault[Self.federatedToken].unlessEmpty, prefersFiles: vault.isNamed,
                authority: try origin(Self.authority)),
            format: vault.format, dependencies: try CloudDependencies(vault, context), clock: context.clock, random: context.random)
        context.whenReloaded(vault) { deadline throws(Failure) in try await adapter.reload(deadline: deadline) }
        return adapter
    }

    package let advice = VaultAdvice(
        unreachable:
            "Check vault_url and authority_host, that this host reaches them through firewalls and the configured proxy, and that ca_file fits the certificate.",
        login:
            "Check that the application's secret, certificate or federated token is valid, that tenant_id and client_id are its own, and that the host's clock is right.",
        setUp:
            "Check that what the message names exists: the vault, the file, the managed identity; and that the secret is enabled.",
        permission:
            "Check that the daemon's identity has the role or the access policy in the manual on the vault, and that the vault's firewall lets this host in.",
        broken:
            "The service answers, but not as it should. Check Azure's status, and that nothing else answers at vault_url.")
}
