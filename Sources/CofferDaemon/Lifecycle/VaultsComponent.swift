import CofferVault
import Synchronization

/// The vaults, opened under the keys.
final class VaultsComponent: Component {
    private struct State {
        /// Holds the environment's secrets, so it goes with the start.
        var opener: VaultOpener?
        var opened: OpenedVaults?
    }

    private let keys: KeyStore
    private let state: Mutex<State>

    init(_ opener: VaultOpener, _ keys: KeyStore) {
        self.keys = keys
        state = Mutex(State(opener: opener))
    }

    func start() throws(StartupError) -> VaultPool {
        guard let opener = state.withLock({ $0.opener.take() }) else {
            throw StartupError("the vaults were started twice")
        }
        let keys = keys
        let opened = try opener.open(keys.ring, derivedFrom: keys.isDerived ? keys.place : nil) { () throws(StartupError) in try keys.saveRoot() }
        state.withLock { $0.opened = opened }
        do throws(StartupError) {
            try keys.save()
        } catch {
            undo(after: error)
            throw error
        }
        return opened.pool
    }

    func reload(_ configuration: Configuration) -> ReloadOutcome {
        state.withLock { $0.opened }?.parts.reload() ?? ReloadOutcome()
    }

    /// Waits for the vaults to finish what they have taken.
    func drain() {
        guard let pool = state.withLock({ $0.opened })?.pool else { return }
        _ = Blocking.run { await pool.close() }
    }

    func stop() { state.withLock { $0.opened.take() }?.parts.stop() }
}
