internal import CofferCore
internal import CofferVault
internal import CofferVaultKit
internal import Synchronization

/// The thread that hears of changes: a connection of its own on which PostgreSQL tells what was written.
///
/// The server keeps no notifications for a listener that is away. So everything may have changed once it listens again;
/// until then, and while the server gives no sign of life, what is cached is doubted again and again.
final class PostgresListener: Sendable {
    /// How long connecting may take, and a sign of life: after that the connection is given up.
    private static let patience = Duration.seconds(5)
    /// Between attempts to connect, and between connections that broke as soon as they listened.
    private static let retry = Duration.milliseconds(500)
    /// A connection that broke sooner is not replaced at once: whatever cut it would cut the next one too.
    private static let shortLife = Duration.seconds(1)
    /// The server ends a statement after `timeout_ms`. So much longer its notification may be on its way.
    private static let lateness = Duration.seconds(60)
    private static let sweepInterval = Duration.seconds(60)

    private let server: PostgresServer
    private let names: PostgresNames
    private let feed: ChangeFeed
    private let doubt: PostgresDoubt
    private let uncertain = PostgresUncertainWrites()
    private let lane: Lane<PostgresCall, PostgresReply>
    private let vault: String
    private let dependencies: PostgresDependencies
    private let wake: PostgresWake
    private let sweep: Sweep

    /// - Throws: RESOURCE_EXHAUSTED if the system gives no file descriptor.
    init(
        _ server: PostgresServer, _ names: PostgresNames, _ feed: ChangeFeed, _ doubt: PostgresDoubt,
        sweeping lane: Lane<PostgresCall, PostgresReply>, vault: String, _ dependencies: PostgresDependencies
    ) throws(Failure) {
        self.server = server
        self.names = names
        self.feed = feed
        self.doubt = doubt
        self.lane = lane
        self.vault = vault
        self.dependencies = dependencies
        wake = try PostgresWake()
        sweep = Sweep(first: dependencies.clock.boot + Self.sweepInterval, notice: dependencies.notice)
    }

    /// Ends `run`; may be called more than once, and before it.
    func stop() {
        isStopped.store(true, ordering: .releasing)
        wake.signal()
    }

    /// A write or removal of this name failed and may still be done: the server's notification about it is news then.
    func expect(_ name: String) {
        let now = dependencies.clock.boot
        let timeout = Duration.milliseconds(server.options.statementMilliseconds)
        uncertain.add(name.utf8, until: now + timeout + Self.lateness, now: now)
    }

    private let isStopped = Atomic(false)

    /// The thread's body.
    func run() {
        /// What the log says of it; "" = it listens.
        var lastTold = ""
        doubt.begin()
        while !isStopped.load(ordering: .acquiring) {
            var hasLasted = false
            do throws(PostgresFault) {
                try listen {
                    hasLasted = true
                    if !lastTold.isEmpty { dependencies.notice("changes by other hosts are heard again") }
                    lastTold = ""
                }
            } catch {
                doubt.begin()
                let failure = Failure.postgres(error, .read, vault: vault)
                if failure.message != lastTold, error != .woken {
                    lastTold = failure.message
                    dependencies.notice("changes by other hosts are not heard: \(failure.message)")
                }
                // A connection that was cut is replaced at once, so that changes are heard again soon.
                if !hasLasted { wake.wait(milliseconds: Int32(Self.retry.wholeMilliseconds)) }
            }
        }
        doubt.stop()
    }

    /// Connects, and tells what it hears until the connection breaks.
    ///
    /// - Parameter lasted: called once the connection has listened for ``shortLife``.
    private func listen(_ lasted: () -> Void) throws(PostgresFault) {
        let clock = dependencies.clock
        let connection = try server.connect(wake: wake, deadline: clock.boot + Self.patience)
        _ = try connection.run(
            script: "LISTEN \"\(server.tables.channel)\"", deadline: clock.boot + Self.patience)
        doubt.end()
        var proof: BootInstant? = clock.boot + Self.shortLife
        while true {
            if try !connection.waitForInput(until: clock.boot + dependencies.silence) { try prove(connection) }
            tellAll(connection)
            if let due = proof, clock.boot >= due {
                lasted()
                proof = nil
            }
            sweepIfDue()
        }
    }

    /// Waits for a sign of life. Until it comes, others may write what is not heard.
    private func prove(_ connection: PostgresConnection) throws(PostgresFault) {
        let begun = dependencies.clock.boot
        try connection.ask("SELECT 1", deadline: begun + Self.patience, every: dependencies.silence) { isLate in
            tellAll(connection)
            if isLate { feed.post(.everything) }
        }
    }

    private func tellAll(_ connection: PostgresConnection) {
        while let payload = connection.notification() { tell(payload) }
    }

    /// `writer:name`; a name that is empty stands for all.
    private func tell(_ payload: [UInt8]) {
        guard let colon = payload.firstIndex(of: UInt8(ascii: ":")) else { return feed.post(.everything) }
        let name = payload[(colon + 1)...]
        let isOwn = payload[..<colon].elementsEqual(server.writer.utf8)
        guard !isOwn || uncertain.contains(name, now: dependencies.clock.boot) else { return }
        guard !name.isEmpty else { return feed.post(.everything) }
        // Of another prefix.
        guard name.starts(with: names.folder.utf8) else { return }
        guard let text = String(validating: name, as: UTF8.self), let key = names.key(of: text) else { return }
        feed.post(.record(key))
    }

    // MARK: Sweeping

    private func sweepIfDue() {
        let now = dependencies.clock.boot
        guard sweep.begin(now) else { return }
        let grace = UInt64(PostgresStatements.sweepGraceMilliseconds)
        let wall = dependencies.clock.wall
        let deadline = now + Self.patience
        let call = PostgresCall(work: .sweep(wall > grace ? wall - grace : 0), deadline: deadline)
        lane.submit(call, deadline: deadline, for: sweep)
    }

    /// Removes what has expired, as one call among others.
    private final class Sweep: LaneCaller {
        private struct State {
            var next: BootInstant
            var isUnderWay = false
            var isTold = false
        }

        private let state: Mutex<State>
        private let notice: @Sendable (String) -> Void

        init(first: BootInstant, notice: @escaping @Sendable (String) -> Void) {
            state = Mutex(State(next: first))
            self.notice = notice
        }

        /// Whether it is time.
        func begin(_ now: BootInstant) -> Bool {
            state.withLock { state in
                guard !state.isUnderWay, now >= state.next else { return false }
                state.isUnderWay = true
                state.next = now + PostgresListener.sweepInterval
                return true
            }
        }

        func accept(_ outcome: Result<PostgresReply, Failure>) -> (on: any WorkQueue, work: any WorkItem)? {
            var refusal: Failure?
            state.withLock { state in
                state.isUnderWay = false
                switch outcome {
                case .success(.swept(let count)) where count >= PostgresStatements.sweepSize:
                    // There are more.
                    state.next = BootInstant(nanoseconds: 0)
                case .failure(let failure) where failure.code == .permissionDenied && !state.isTold:
                    state.isTold = true
                    refusal = failure
                default: break
                }
            }
            if let refusal { notice("records that have expired stay in the table: \(refusal.message)") }
            return nil
        }
    }
}
