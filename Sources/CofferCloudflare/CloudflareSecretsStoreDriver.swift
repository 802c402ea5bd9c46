package import CofferCore
internal import CofferHTTP
internal import CofferProcess
package import CofferVault
package import CofferVaultKit

/// Vaults of type `cloudflare-secrets-store`: Cloudflare's Secrets Store, which gives no value back.
package struct CloudflareSecretsStoreDriver: VaultDriver {
    package let type = "cloudflare-secrets-store"
    package let title = "Cloudflare Secrets Store"
    package let isLocal = false
    package let guidePrefix = "c"
    package let settings =
        CommonSettings.all + CloudflareSettings.remote + CloudflareSettings.shared
        + [CloudflareSettings.store.erased, CloudflareSettings.scopes.erased]
    package let secretVariables = CloudflareSettings.secretVariables

    package init() {}

    package func location(of vault: VaultConfiguration, dataFolder: String) -> String {
        title + (vault[CloudflareSettings.store].unlessEmpty.map { ", store \($0)" } ?? "")
    }

    package func adopt(_ variables: EnvironmentVariables, into vault: inout VaultConfiguration) -> [SettingMistake] {
        CloudflareSettings.mistakes(in: vault, variables)
    }

    package func mistakes(in vault: VaultConfiguration) -> [SettingMistake] {
        CloudflareSettings.mistakes(in: vault)
            + (CloudflareSecretNames.mistake(inPrefix: vault[RemoteSettings.prefix]).map {
                [SettingMistake("prefix", $0)]
            } ?? [])
    }

    package func secret(of vault: VaultConfiguration) -> String? { CloudflareSettings.secret(of: vault) }

    package func open(_ vault: VaultConfiguration, _ context: VaultContext) throws(Failure) -> any VaultAdapter {
        if vault.format == .sealed {
            context.notice(
                vault.name,
                "secrets are written sealed, which nothing at Cloudflare can read; set format: json for services that are to use them"
            )
        }
        return CloudflareSecretsStore(
            name: vault.name, client: try CloudflareSettings.client(vault, context, for: .secretsStore),
            account: vault[CloudflareSettings.account].unlessEmpty, store: vault[CloudflareSettings.store].unlessEmpty,
            scopes: vault[CloudflareSettings.scopes].map(\.rawValue), prefix: vault[RemoteSettings.prefix],
            clock: context.clock)
    }

    package let advice = VaultAdvice(
        unreachable:
            "Check that this host reaches api_url through firewalls and the configured proxy, and that ca_file fits the certificate.",
        login: "Check that the API token is whole, active and not expired, and that api_token_file is the one meant.",
        setUp: "Check that what the message names exists: the file, account_id, store.",
        permission: "Check that the API token is for this account and may edit its Secrets Store.",
        broken:
            "The API answers, but not as it should. Check Cloudflare's status, and that nothing else answers at api_url.")
}
