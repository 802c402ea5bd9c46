import CofferCore
import CofferCrypto
import CofferServer
import CofferVault
import Logging
import Synchronization

/// The server on the listening socket, and what its cache hears of changes in the vaults.
final class ServerComponent: Component {
    private let configuration: Server.Configuration
    private let listener: any Listener
    private let pool: VaultPool
    private let bootKey: BootKey
    private let clock: SystemClock
    private let random: SystemRandom
    private let log: Logger
    private let server = Mutex<Server?>(nil)
    private let following = Mutex<Task<Void, Never>?>(nil)

    init(
        _ configuration: Server.Configuration, _ listener: any Listener, _ pool: VaultPool, _ bootKey: BootKey,
        clock: SystemClock, random: SystemRandom, log: Logger
    ) {
        self.configuration = configuration
        self.listener = listener
        self.pool = pool
        self.bootKey = bootKey
        self.clock = clock
        self.random = random
        self.log = log
    }

    func start() throws(StartupError) {
        var configuration = configuration
        configuration.limits = possible(configuration.limits)
        do throws(Failure) {
            let started = try Server(
                configuration, listener: listener.descriptor, keepsBacklog: listener.outlivesDaemon, pool: pool,
                bootKey: bootKey, clock: clock, random: random, log: log)
            try started.start()
            server.withLock { $0 = started }
            following.withLock { $0 = Task { await started.followChanges() } }
        } catch {
            throw StartupError(error)
        }
    }

    func reload(_ configuration: Configuration) -> ReloadOutcome {
        server.withLock { $0 }?.reload(possible(configuration.limits))
        return ReloadOutcome()
    }

    func drain() {
        listener.hide()
        server.withLock { $0 }?.drain()
        following.withLock { $0 }?.cancel()
    }

    /// The vaults are closed, and so are their feeds.
    func stop() {
        if let following = following.withLock({ $0.take() }) { _ = Blocking.run { await following.value } }
        server.withLock { $0.take() }?.stop()
    }

    /// Fewer connections where the limit of open files does not allow as many.
    private func possible(_ limits: ServerLimits) -> ServerLimits {
        var limits = limits
        let room = DescriptorLimit.raise()
        if room < limits.connections {
            log.warning(
                "fewer connections than configured: the limit of open files does not allow them",
                metadata: ["configured": "\(limits.connections)", "possible": "\(room)"])
            limits.shrink(toConnections: room)
        }
        return limits
    }
}
