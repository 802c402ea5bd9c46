package import CofferCore
internal import CofferHTTP
internal import CofferProcess
package import CofferVault
package import CofferVaultKit

/// Vaults of type `cloudflare`: Cloudflare Workers KV.
package struct CloudflareDriver: VaultDriver {
    package let type = "cloudflare"
    package let title = "Cloudflare Workers KV"
    package let isLocal = false
    package let guideFormat: RecordFormat? = .json
    package let guidePrefix = "connectors"
    package let settings =
        CommonSettings.all + CloudflareSettings.remote + CloudflareSettings.shared + [CloudflareSettings.namespace.erased]
    package let secretVariables = CloudflareSettings.secretVariables

    package init() {}

    package func location(of vault: VaultConfiguration, dataFolder: String) -> String {
        "\(title), namespace \(vault[CloudflareSettings.namespace])"
    }

    package func adopt(_ variables: EnvironmentVariables, into vault: inout VaultConfiguration) -> [SettingMistake] {
        var found = CloudflareSettings.mistakes(in: vault, variables)
        if vault[CloudflareSettings.namespace].isEmpty && vault.locations[CloudflareSettings.namespace.name] == nil {
            found.insert(
                SettingMistake("CLOUDFLARE_SECRETS_STORE", "is not set; expected the id or the title of a KV namespace"),
                at: 0)
        }
        return found
    }

    package func mistakes(in vault: VaultConfiguration) -> [SettingMistake] {
        var found = CloudflareSettings.mistakes(in: vault)
        if vault[CloudflareSettings.namespace].isEmpty {
            found.append(SettingMistake("", "kv_namespace is missing; expected the id or the title of a KV namespace"))
        }
        return found
    }

    package func secret(of vault: VaultConfiguration) -> String? { CloudflareSettings.secret(of: vault) }

    package func open(_ vault: VaultConfiguration, _ context: VaultContext) throws(Failure) -> any VaultAdapter {
        CloudflareVault(
            name: vault.name, client: try CloudflareSettings.client(vault, context, for: .workersKV),
            account: vault[CloudflareSettings.account].unlessEmpty, namespace: vault[CloudflareSettings.namespace],
            prefix: vault[RemoteSettings.prefix], clock: context.clock, random: context.random)
    }

    package let advice = VaultAdvice(
        unreachable:
            "Check that this host reaches api_url through firewalls and the configured proxy, and that ca_file fits the certificate.",
        login: "Check that the API token is whole, active and not expired, and that api_token_file is the one meant.",
        setUp: "Check that what the message names exists: the file, account_id, kv_namespace.",
        permission:
            "Check that the API token is for this account and may edit Workers KV Storage, or read it where nothing is stored.",
        broken:
            "The API answers, but not as it should. Check Cloudflare's status, and that nothing else answers at api_url.")
}
