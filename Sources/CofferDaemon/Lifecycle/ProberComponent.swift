import CofferServer
import Synchronization

/// Looks after vaults that are away, until the daemon drains.
final class ProberComponent: Component {
    private let prober: VaultProber
    private let task = Mutex<Task<Void, Never>?>(nil)

    init(_ prober: VaultProber) { self.prober = prober }

    func start() {
        let prober = prober
        task.withLock { $0 = Task { await prober.run() } }
    }

    func drain() { task.withLock { $0 }?.cancel() }

    /// A check that was under way has ended: the vaults are closed.
    func stop() {
        guard let task = task.withLock({ $0.take() }) else { return }
        _ = Blocking.run { await task.value }
    }
}
