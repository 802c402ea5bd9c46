package import CofferCore
package import CofferVault
package import CofferVaultKit

/// Vaults of type `embedded`: a database in the daemon's data folder.
package struct EmbeddedDriver: VaultDriver {
    package let type = "embedded"
    package let title = "embedded vault"
    package let isLocal = true
    package let settings = CommonSettings.all

    package init() {}

    package func dataFile(of vault: VaultConfiguration) -> String? {
        vault.isNamed ? "vault-\(vault.name).db" : "vault.db"
    }

    package func location(of vault: VaultConfiguration, dataFolder: String) -> String {
        "\(dataFolder)/\(dataFile(of: vault) ?? "")"
    }

    package func checkFiles(of vault: VaultConfiguration, dataFolder: String) throws(Failure) {
        try EmbeddedVault.check(path: location(of: vault, dataFolder: dataFolder), name: vault.name)
    }

    package func open(_ vault: VaultConfiguration, _ context: VaultContext) throws(Failure) -> any VaultAdapter {
        var options = EmbeddedOptions()
        options.patience = context.patience
        return try EmbeddedVault.open(
            path: location(of: vault, dataFolder: context.dataFolder), name: vault.name, clock: context.clock,
            random: context.random, options: options, keyCheck: context.keyCheck)
    }
}
