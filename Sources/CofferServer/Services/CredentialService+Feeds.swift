import CofferCache
import CofferCore
import CofferVault

/// Changes that vaults tell of: what is cached does not outlive them.
extension CredentialService {
    /// Returns when the task is cancelled, or when no vault has more to tell.
    func followChanges() async {
        await withTaskGroup(of: Void.self) { group in
            for member in pool.vaults {
                guard let changes = member.store.changes else { continue }
                group.addTask {
                    for await change in changes { self.note(change, of: member.name) }
                }
            }
        }
    }

    /// A record goes, and a read of it that is under way is not cached. Where everything may have
    /// changed, what is cached of the vault still stands in while it cannot be asked.
    private func note(_ change: VaultChange, of vault: String) {
        switch change {
        case .record(let key):
            if leads(key, to: vault) { _ = cache.invalidate(key) }
        case .everything:
            let isOnly = pool.vaults.count == 1
            cache.doubt { isOnly || leads($0, to: vault) }
        }
    }

    private func leads(_ key: RecordKey, to vault: String) -> Bool {
        (try? pool.store(for: key))?.vaultName == vault
    }
}
