import CofferCore
import CofferVault
import Logging

/// What recent calls say about each vault of the pool.
package struct VaultStatuses: Sendable {
    private let byName: [String: VaultStatus]

    init(_ pool: VaultPool, clock: any Clock, log: Logger) {
        byName = Dictionary(
            uniqueKeysWithValues: pool.vaults.map { vault in
                (
                    vault.name,
                    VaultStatus(
                        vault: vault.name, checksWrites: vault.guarded == nil,
                        localReads: vault.guarded?.capabilities.localReads ?? false, clock: clock, log: log)
                )
            })
    }

    /// Nil for a name that no vault has, as failures without a vault bear it.
    subscript(name: String) -> VaultStatus? { byName[name] }

    subscript(records: RecordStore) -> VaultStatus { byName[records.vaultName]! }

    /// Over all vaults.
    func total(_ counter: (VaultStatus) -> UInt64) -> UInt64 { byName.values.reduce(0) { $0 + counter($1) } }
}
