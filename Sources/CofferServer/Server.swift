import CofferAccess
package import CofferCache
package import CofferCore
package import CofferCrypto
package import CofferVault
import Glibc
package import Logging
import Synchronization

/// The daemon's face to its clients: reactors on threads of their own, over one
/// listening socket.
package final class Server: Sendable {
    /// What it is made of and how it is to behave.
    package struct Configuration: Sendable {
        package var reactors: Int
        /// How long a reactor looks for work before it sleeps; zero = it sleeps at once.
        package var spin: Duration
        package var limits: ServerLimits
        package var access: AccessControl
        package var cache: CacheConfiguration
        /// How long a read of the vault may take, whoever waits.
        package var flightTime: Duration
        package var version: String
        /// Protections that the host does not give, for Health.
        package var warnings: [String]
        /// Log lines that could not be written, for Stats.
        package var droppedLogLines: @Sendable () -> UInt64

        package init(
            reactors: Int, spin: Duration = .zero, limits: ServerLimits, access: AccessControl, cache: CacheConfiguration,
            flightTime: Duration, version: String, warnings: [String],
            droppedLogLines: @escaping @Sendable () -> UInt64 = { 0 }
        ) {
            self.reactors = reactors
            self.spin = spin
            self.limits = limits
            self.access = access
            self.cache = cache
            self.flightTime = flightTime
            self.version = version
            self.warnings = warnings
            self.droppedLogLines = droppedLogLines
        }
    }

    private let credentials: CredentialService
    private let admin: AdminService
    private let ledger: UIDLedger
    private let budget: BufferBudget
    private let inboxes: [Inbox]
    private let reactors: [Reactor]
    private let threads = Mutex<[WorkerThread]>([])
    private let drained: Countdown

    /// To serve `listener`, a listening non-blocking Unix socket that
    /// stays the caller's to close.
    ///
    /// - Parameter keepsBacklog: clients that wait to be accepted when the drain begins are left to
    ///   whoever listens next.
    package init(
        _ configuration: Configuration, listener: Int32, keepsBacklog: Bool = false, pool: VaultPool, bootKey: BootKey,
        clock: any Clock, random: some RandomSource, log: Logger
    ) throws(Failure) {
        var inboxes: [Inbox] = []
        for _ in 0..<configuration.reactors { inboxes.append(try Inbox()) }
        let counters = inboxes.map { _ in ReactorCounters() }
        let ledger = UIDLedger(limits: configuration.limits)
        let budget = BufferBudget(limits: configuration.limits)
        let credentials = CredentialService(
            cache: Cache(configuration: configuration.cache, random: random), pool: pool,
            statuses: VaultStatuses(pool, clock: clock, log: log), bootKey: bootKey, inboxes: inboxes,
            clock: clock, random: random, flightTime: configuration.flightTime, budget: budget)
        let admin = AdminService(
            credentials: credentials, random: random, counters: counters,
            ledger: ledger, budget: budget, clock: clock, version: configuration.version,
            warnings: configuration.warnings, droppedLogLines: configuration.droppedLogLines)
        let services = Endpoint.Services(
            credentials: credentials, admin: admin, bootKey: bootKey, limits: configuration.limits, budget: budget)
        let context = ServerContext(
            limits: configuration.limits, spin: configuration.spin, ledger: ledger, budget: budget, clock: clock, log: log,
            access: configuration.access)
        var reactors: [Reactor] = []
        for index in inboxes.indices {
            let acceptor = index == 0
                ? Acceptor(
                    listener: listener, keepsBacklog: keepsBacklog, inboxes: inboxes, ledger: ledger,
                    policy: configuration.access.policy) : nil
            reactors.append(
                try Reactor(
                    index: index, shared: context, services: Endpoint(services), inbox: inboxes[index],
                    counters: counters[index], acceptor: acceptor))
        }
        self.credentials = credentials
        self.admin = admin
        self.ledger = ledger
        self.budget = budget
        self.inboxes = inboxes
        self.reactors = reactors
        drained = Countdown(configuration.reactors)
    }

    /// Starts the reactors' threads. Once.
    ///
    /// - Throws: RESOURCE_EXHAUSTED when the system gives none; those that were started have ended then.
    package func start() throws(Failure) {
        for reactor in reactors {
            let drained = drained
            do throws(Failure) {
                let thread = try WorkerThread(name: "reactor-\(reactor.index)") { reactor.run { drained.countDown() } }
                threads.withLock { $0.append(thread) }
            } catch {
                for inbox in inboxes { inbox.post(.drain) }
                stop()
                throw error
            }
        }
    }

    /// Puts other limits in force. Connections and calls that are open beyond them stay.
    ///
    /// - Parameter limits: those of frames and credentials must be the same as before: buffers were made by them.
    package func reload(_ limits: ServerLimits) {
        ledger.limits = limits
        budget.limits = limits
        for inbox in inboxes { inbox.post(.limits(limits)) }
    }

    /// Takes out of the cache what vaults say others have changed, until the task is cancelled or no
    /// vault has more to tell.
    package func followChanges() async { await credentials.followChanges() }

    /// Finishes what is in flight, refuses what is new, and returns when all
    /// connections are closed or the time for it is over. Blocks the thread.
    ///
    /// Work that has begun goes on after that, on the reactors' threads: `stop` ends them when
    /// the vaults have finished it.
    package func drain() {
        admin.noteDraining()
        for inbox in inboxes { inbox.post(.drain) }
        drained.wait()
    }

    /// Ends the reactors. Call it last, after `drain`: what is left of their work is never done.
    package func stop() {
        for inbox in inboxes { inbox.post(.stop) }
        for thread in threads.withLock({ $0 }) { thread.join() }
    }
}
