package import CofferCore
internal import CofferHTTP
package import CofferVault
package import CofferVaultKit

/// Vaults of type `fly`: the secrets of an app at Fly.io.
package struct FlyDriver: VaultDriver {
    package let type = "fly"
    package let title = "Fly.io secrets"
    package let isLocal = false
    package let guideFormat: RecordFormat? = .json
    package let settings = CommonSettings.all + FlySettings.remote + FlySettings.own
    package let secretVariables = FlySettings.tokenVariables
    package let secretPrefixes = [FlyNames.prefix]
    package let variables = [FlySettings.machineVariable, FlySettings.machineVersionVariable]

    package init() {}

    package func location(of vault: VaultConfiguration, dataFolder: String) -> String {
        "the environment, and \(folder(of: vault, dataFolder))"
    }

    /// Of what was written.
    private func folder(of vault: VaultConfiguration, _ dataFolder: String) -> String {
        "\(dataFolder)/" + (vault.isNamed ? "fly-\(vault.name)" : "fly")
    }

    package func adopt(_ variables: EnvironmentVariables, into vault: inout VaultConfiguration) -> [SettingMistake] {
        let token = variables.first(of: FlySettings.tokenVariables)?.name
        guard let file = vault.locations[FlySettings.tokenFile.name] else {
            guard let token, vault[FlySettings.app].isEmpty, vault.locations[FlySettings.app.name] == nil else { return [] }
            return [
                SettingMistake(
                    FlySettings.appVariable,
                    "is not set, and \(token) is; expected the name of the app whose secrets are written. Fly sets it in each Machine"
                )
            ]
        }
        return token.map { [SettingMistake(file, "\($0) is also set; unset one of them")] } ?? []
    }

    package func mistakes(in vault: VaultConfiguration) -> [SettingMistake] {
        let address = HTTPURL(vault[FlySettings.address])?.address ?? ""
        return RemoteSettings.mistakes(in: vault, addresses: [(FlySettings.address.name, address)])
    }

    package func secret(of vault: VaultConfiguration) -> String? {
        vault[FlySettings.tokenFile].isEmpty ? "FLY_API_TOKEN" : nil
    }

    package func open(_ vault: VaultConfiguration, _ context: VaultContext) throws(Failure) -> any VaultAdapter {
        try FlySettings.checkApp(vault, context)
        let client = try FlySettings.client(vault, context)
        let text = { (name: String) in context.variable(name)?.text ?? "" }
        if client == nil { context.notice(vault.name, "\(Self.readsOnly); Store and Delete are refused") }
        var deployment: FlyDeployment?
        if let client, vault[FlySettings.deployment] == .deployed {
            // Not the context: it has the values of all records.
            let (name, notice) = (vault.name, context.notice)
            deployment = FlyDeployment(
                client, machine: text(FlySettings.machineVariable), delay: .milliseconds(vault[FlySettings.delay]),
                clock: context.clock, notice: { notice(name, $0) })
        }
        let surroundings = FlyVault.Surroundings(
            secrets: context.secrets(FlyNames.prefix), machineVersion: text(FlySettings.machineVersionVariable))
        let files = FlyFiles(
            folder: folder(of: vault, context.dataFolder), sealer: context.sealer, identity: FlyVault.identity,
            app: FlySettings.appName(vault, context), vault: vault.name, clock: context.clock)
        let opened = try FlyVault(
            name: vault.name, surroundings, client: client, missing: Self.readsOnly, files: files, deployment: deployment,
            maximumPayloadBytes: vault.format == .sealed ? FlyVault.maximumSealedBytes : FlyVault.maximumValueBytes,
            clock: context.clock, random: context.random)
        if let findings = opened.findings { context.notice(vault.name, findings) }
        return opened
    }

    private static let readsOnly =
        "there is no API token: set FLY_API_TOKEN, or api_token_file to a file with one, to write"

    package let advice = VaultAdvice(
        unreachable:
            "Check that this host reaches api_url through firewalls and the configured proxy, and that ca_file fits the certificate. Reading goes on without.",
        login: "Check that the API token is whole and has not expired, and that api_token_file is the one meant.",
        setUp: "Check that the app that app or FLY_APP_NAME names exists, and that the API token is for it or for its organization.",
        permission: "Check that the API token is a deploy token of this app or a token of its organization, and not one that only reads.",
        broken: "The API answers, but not as it should. Check Fly's status, and that nothing else answers at api_url.")
}
