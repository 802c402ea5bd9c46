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
    private let state = Mutex(State())

    private struct State {
        var server: Server?
        var following: Task<Void, Never>?
        /// As configured.
        var limits = ServerLimits()
    }

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
            let configured = self.configuration.limits
            state.withLock {
                $0 = State(server: started, following: Task { await started.followChanges() }, limits: configured)
            }
        } catch {
            throw StartupError(error)
        }
    }

    func reload(_ configuration: Configuration) -> ReloadOutcome {
        let limits = configuration.limits
        let changed = state.withLock { state in
            defer { state.limits = limits }
            return state.limits == limits ? nil : state.server
        }
        changed?.reload(possible(limits))
        return ReloadOutcome()
    }

    func drain() {
        listener.hide()
        let (server, following) = state.withLock { ($0.server, $0.following) }
        server?.drain()
        following?.cancel()
    }

    /// The vaults are closed, and so are their feeds.
    func stop() {
        if let following = state.withLock({ $0.following.take() }) { _ = Blocking.run { await following.value } }
        state.withLock { $0.server.take() }?.stop()
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
