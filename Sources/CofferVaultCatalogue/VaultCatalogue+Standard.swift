internal import CofferAWS
internal import CofferAzure
internal import CofferCloudflare
internal import CofferEmbedded
internal import CofferEtcd
internal import CofferFly
internal import CofferGoogle
internal import CofferHashiCorp
internal import CofferMemory
internal import CofferPostgres
package import CofferVaultKit

extension VaultCatalogue {
    /// The vaults that a daemon has: one line for each. The first is the default.
    package static let standard = VaultCatalogue([
        EmbeddedDriver(), MemoryDriver(), HashiCorpDriver(), AWSDriver(), CloudflareDriver(),
        CloudflareSecretsStoreDriver(), GoogleDriver(), AzureDriver(), PostgresDriver(), EtcdDriver(),
        FlyDriver(),
    ])
}
