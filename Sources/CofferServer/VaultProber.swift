package import CofferCore
package import CofferVault

/// Asks each vault whose breaker is open whether it is there again, 30 seconds
/// after anybody last asked it. So calls find back to a vault within that time of its
/// return, however long its breaker would have rested.
package struct VaultProber: Sendable {
    static let interval = Duration.seconds(30)

    private let vaults: [GuardedVault]
    private let clock: any Clock
    private let random: any RandomSource
    private let sleeper: any Sleeper

    package init(_ pool: VaultPool, clock: any Clock, random: any RandomSource, sleeper: any Sleeper) {
        vaults = pool.vaults.compactMap(\.guarded)
        self.clock = clock
        self.random = random
        self.sleeper = sleeper
    }

    /// Returns when its task is cancelled, or at once if no vault needs it.
    package func run() async {
        await withTaskGroup(of: Void.self) { group in
            for vault in vaults { group.addTask { await look(after: vault) } }
        }
    }

    private func look(after vault: GuardedVault) async {
        // From a random moment: many daemons may have lost the same vault at once.
        var next = clock.boot + Self.interval * random.unit()
        while (try? await sleeper.sleep(until: next)) != nil {
            let now = clock.boot
            next = max(vault.nextCheck ?? now + Self.interval, now + .milliseconds(1))
            guard let due = vault.nextCheck, due <= now else { continue }
            next = now + Self.interval
            // The breaker hears how it ends; the vault's own timeout ends it.
            try? await vault.check(deadline: next)
        }
    }
}
