import Glibc
public import SwiftProtobuf
import Synchronization

/// Calls over one Unix socket connection to the daemon, made when first needed
/// and again when it is lost or the daemon goes away.
///
/// A call that surely was not carried out is made again on a new connection; one
/// that may have been only if its options say that it may be repeated. Dropping the
/// channel closes it. After fork, parent and child have a connection each.
public final class UnixSocketChannel: CofferChannel {
    private struct State {
        var connection: Connection?
        /// Those before it, while calls on them are unanswered.
        var draining: [Connection] = []
        /// When a connection was last lost.
        var lostAt: ContinuousClock.Instant?
        var reconnector: Reconnector
        /// Why the last attempt to connect failed.
        var lastFailure: ConnectFailure?
        var isClosed = false
    }

    /// What one process has. A child made by fork makes one of its own and leaves
    /// the parent's as it is, locks too: a thread that has not come along with it
    /// may have held them.
    private final class Home: Sendable {
        let process = getpid()
        let state: Lock<State>

        init(_ configuration: CofferConfiguration) {
            state = Lock(State(reconnector: Reconnector(window: configuration.reconnectWindow)))
        }
    }

    let configuration: CofferConfiguration
    /// Retained; the parent's for good, in a child.
    private let home: Atomic<Unmanaged<Home>>

    /// Does not connect yet.
    public init(configuration: CofferConfiguration = CofferConfiguration()) {
        self.configuration = configuration
        home = Atomic(.passRetained(Home(configuration)))
    }

    deinit {
        close()
        currentHome.release()
    }

    /// This process's.
    private var currentHome: Unmanaged<Home> {
        let found = home.load(ordering: .acquiring)
        guard found._withUnsafeGuaranteedRef({ $0.process != getpid() }) else { return found }
        let own = Unmanaged.passRetained(Home(configuration))
        let (exchanged, other) = home.compareExchange(
            expected: found, desired: own, ordering: .acquiringAndReleasing)
        guard exchanged else {
            own.release()
            return other
        }
        let wasClosed = found._withUnsafeGuaranteedRef { parent in
            parent.state.withLockIfAvailable { state in
                state.connection?.leaveToParent()
                for connection in state.draining { connection.leaveToParent() }
                return state.isClosed
            }
        }
        if wasClosed == true { own._withUnsafeGuaranteedRef { $0.state.withLock { $0.isClosed = true } } }
        return own
    }

    private func withState<R, E: Error>(_ body: (inout State) throws(E) -> R) throws(E) -> R {
        try currentHome.takeUnretainedValue().state.withLock(body)
    }

    /// Ends calls in flight with CANCELLED; later calls fail the same way.
    public func close() {
        let connections = withState { state -> [Connection] in
            state.isClosed = true
            defer { (state.connection, state.draining) = (nil, []) }
            return state.draining + (state.connection.map { [$0] } ?? [])
        }
        for connection in connections { connection.close(.clientClosed) }
    }

    public func response<Request: Message, Response: Message>(
        to request: Request, of method: CofferMethod<Request, Response>, options: CofferCallOptions
    ) async throws -> Response {
        let options = options.of(method)
        let call = try outgoing(request, method, options)
        var retry = Retry(options, window: configuration.reconnectWindow)
        while true {
            try Task.checkCancellation()
            let connection = try await connection(until: call.deadline)
            do {
                return try await connection.reply(to: call).message(of: method, mayWrite: call.mayWrite)
            } catch {
                try await retry.wait(after: error, until: call.deadline)
            }
        }
    }

    public func responses<Request: Message, Response: Message>(
        to request: Request, of method: CofferMethod<Request, Response>, options: CofferCallOptions
    ) -> CofferResponses<Response> {
        CofferResponses { [self] in
            var call = StreamingCall(channel: self, request, method, options)
            return { try await call.next() }
        }
    }

    func outgoing<Request: Message, Response: Message>(
        _ request: Request, _ method: CofferMethod<Request, Response>, _ options: CofferCallOptions
    ) throws(CofferError) -> OutgoingCall {
        let timeout = options.timeout ?? configuration.timeout
        guard timeout > .zero else { throw .deadlineExceeded.told(mayHaveBeenSent: false, mayWrite: false) }
        return try OutgoingCall(
            request, method, timeout: timeout, mayWrite: !options.isRepeatable,
            maximumFrameBytes: configuration.maximumFrameBytes)
    }

    // MARK: Connecting

    private enum LookUp {
        case found(Connection)
        case wait(until: ContinuousClock.Instant, CofferError)
    }

    /// The connection that takes new calls, waiting for the daemon if it may come back.
    ///
    /// - Throws: UNAVAILABLE saying why there is none, or `CancellationError`.
    func connection(until deadline: ContinuousClock.Instant) async throws -> Connection {
        while true {
            switch try lookUp() {
            case .found(let connection): return connection
            case .wait(let instant, let cause):
                guard instant < deadline else { throw cause }
                try await Task.sleep(until: instant, clock: .continuous)
            }
        }
    }

    /// Connecting under the lock is brief, as a Unix socket connects at once or
    /// not at all; so however many calls wait, one of them connects for all.
    private func lookUp() throws(CofferError) -> LookUp {
        try withState { (state) throws(CofferError) -> LookUp in
            guard !state.isClosed else { throw .clientClosed }
            if let connection = state.connection {
                guard let lostAt = connection.unusableSince else { return .found(connection) }
                state.lostAt = lostAt
                state.connection = nil
                state.draining = (state.draining + [connection]).filter { !$0.isClosed }
            }
            let now = ContinuousClock.Instant.now
            if let retryAt = state.reconnector.retryAt, now < retryAt, let failure = state.lastFailure {
                return .wait(until: retryAt, failure.error)
            }
            do throws(ConnectFailure) {
                let connection = try Connection.open(configuration)
                state.reconnector.succeeded()
                state.connection = connection
                return .found(connection)
            } catch {
                state.lastFailure = error
                let retryAt = state.reconnector.failed(
                    error.kind, at: now, lostAt: state.lostAt, chance: { .random(in: 0..<1) })
                guard let retryAt else { throw error.error }
                return .wait(until: retryAt, error.error)
            }
        }
    }
}
