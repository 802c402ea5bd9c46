package import CofferCore
package import CofferVault
package import CofferVaultKit

/// Vaults of type `memory`, which forget everything when the daemon stops.
package struct MemoryDriver: VaultDriver {
    package let type = "memory"
    package let title = "memory vault"
    package let isLocal = true
    package let isVolatile = true
    package let settings = CommonSettings.all

    package init() {}

    package func location(of vault: VaultConfiguration, dataFolder: String) -> String { "in memory only" }

    package func open(_ vault: VaultConfiguration, _ context: VaultContext) throws(Failure) -> any VaultAdapter {
        MemoryVault(name: vault.name, clock: context.clock, random: context.random)
    }
}
