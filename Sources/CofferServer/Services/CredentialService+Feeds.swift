import CofferCache
import CofferCore
import CofferVault

/// Changes that vaults tell of: what is cached does not outlive them. And what is read of a vault that lags soon after the
/// start, when nobody here knows what was written before.
extension CredentialService {
    /// How long what is read of such a vault is believed at first. It doubles until the vault no longer lags behind the start:
    /// what is asked for again each time counts against the vault's own limits.
    static let earlyTrust = Duration.seconds(5)

    /// Returns when the task is cancelled, or when no vault has more to tell.
    func followChanges() async {
        await withTaskGroup(of: Void.self) { group in
            for member in pool.vaults {
                if let lag = member.store.lag { group.addTask { await self.doubtEarlyReads(of: member, lag) } }
                guard let changes = member.store.changes else { continue }
                group.addTask {
                    for await change in changes { self.note(change, of: member.name) }
                }
            }
        }
    }

    private func doubtEarlyReads(of member: VaultPool.Member, _ lag: Duration) async {
        let end = clock.boot + lag
        var (last, trust) = (clock.boot, Self.earlyTrust)
        while last < end {
            do {
                try await member.store.sleep(until: last + trust)
            } catch {
                return
            }
            last = max(clock.boot, last + trust)
            trust = trust * 2
            let isOnly = pool.vaults.count == 1
            // What this daemon has written is cached as it was written, and the vault may not show it yet.
            cache.doubt { (isOnly || leads($0, to: member.name)) && !member.store.knowsWrites(of: $0) }
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
