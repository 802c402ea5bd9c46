import Glibc

/// One connection to the daemon: many calls at once, answered in any order.
///
/// Callers send their own frames, without blocking, under the lock; one thread
/// (see `Connection+Thread`) receives, sends what did not fit, and ends calls
/// whose time is over. Continuations are resumed outside the lock.
final class Connection: Sendable {
    /// Where a call's replies go.
    enum Sink {
        case one(CheckedContinuation<Reply, any Error>, mayWrite: Bool)
        case many(AsyncThrowingStream<Reply, any Error>.Continuation)
    }

    struct PendingCall {
        let sink: Sink
        let deadline: ContinuousClock.Instant
        let mayWrite: Bool
        /// The whole request is in the kernel's hands.
        var isSent = false
    }

    enum Status: Equatable {
        case open
        /// No new calls; ends when those in flight are done.
        case draining
        case closed
    }

    struct State {
        var status = Status.open
        /// When `status` left `open`.
        var unusableSince: ContinuousClock.Instant?
        var calls: [UInt64: PendingCall] = [:]
        var outbound = OutboundQueue()
        var lastCallID: UInt64 = 0
        /// No call's time is over before this.
        var nextDeadline: ContinuousClock.Instant?
        /// Nothing can be sent any more; why may still wait to be received.
        var writingFailed = false
        /// Why the connection was closed, for a call that comes too late.
        var end: ConnectionLost?
    }

    let socket: UnixSocket
    let waker: Waker
    let maximumFrameBytes: Int
    private let maximumQueuedBytes: Int
    let state = Lock(State())

    private init(_ socket: consuming UnixSocket, _ waker: consuming Waker, _ limits: CofferConfiguration) {
        self.socket = socket
        self.waker = waker
        maximumFrameBytes = limits.maximumFrameBytes
        maximumQueuedBytes = limits.maximumQueuedBytes
    }

    /// Connects and starts the thread.
    static func open(_ configuration: CofferConfiguration) throws(ConnectFailure) -> Connection {
        let daemon = try DaemonSocket(configuration)
        let socket = try daemon.connect()
        do throws(UnixSocket.SystemError) {
            let connection = Connection(socket, try Waker(), configuration)
            // Swift's runtime makes a type at its first use, under a lock that never opens again once two threads of a
            // child made by fork have met there. Those that only the end needs, a parent thus has before it forks.
            fail([:], with: .connectionLost)
            try connection.startThread()
            return connection
        } catch {
            throw ConnectFailure(
                kind: error.number == EAGAIN ? .busy : .hopeless, error: .cannotConnect(daemon.path, error))
        }
    }

    /// In a child made by fork: its copy of the connection ends, and what was
    /// still to be sent is wiped. The calls are the parent's and end there.
    func leaveToParent() {
        socket.leaveToParent()
        // A thread that has not come along may have held the lock.
        _ = state.withLockIfAvailable { state in
            state.status = .closed
            state.outbound = OutboundQueue()
        }
    }

    /// Nil while new calls are taken.
    var unusableSince: ContinuousClock.Instant? { state.withLock { $0.unusableSince } }

    /// No call on it is unanswered.
    var isClosed: Bool { state.withLock { $0.status == .closed } }

    // MARK: Calls

    /// Makes a call and waits for its reply.
    ///
    /// - Throws: `ConnectionLost`, `CofferError` or `CancellationError`.
    func reply(to call: OutgoingCall) async throws -> Reply {
        let id = newCallID()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                begin(call, id, .one(continuation, mayWrite: call.mayWrite))
                // A cancellation before `begin` found no call to cancel.
                if Task.isCancelled { abandon(id, CancellationError()) }
            }
        } onCancel: {
            abandon(id, CancellationError())
        }
    }

    /// Makes a call with many replies. The stream's end or its consumer's
    /// cancellation cancels the call; what has arrived waits in memory.
    func replies(to call: OutgoingCall) -> AsyncThrowingStream<Reply, any Error> {
        let id = newCallID()
        let (stream, continuation) = AsyncThrowingStream.makeStream(
            of: Reply.self, throwing: (any Error).self,
            bufferingPolicy: .bufferingOldest(Self.maximumWaitingReplies))
        continuation.onTermination = { [self] _ in abandon(id, CancellationError()) }
        begin(call, id, .many(continuation))
        return stream
    }

    private func newCallID() -> UInt64 {
        state.withLock { state in
            state.lastCallID += 1
            return state.lastCallID
        }
    }

    private func begin(_ call: OutgoingCall, _ id: UInt64, _ sink: Sink) {
        let refusal = state.withLock { state -> (any Error)? in
            guard state.status == .open else {
                // The thread is about to learn why, and ends this call with the others.
                if state.status == .draining && state.writingFailed {
                    register(call, id, sink, &state)
                    return nil
                }
                return state.end ?? ConnectionLost(cause: .connectionLost, mayHaveBeenSent: false)
            }
            guard state.outbound.byteCount + call.frame.bytes.count <= maximumQueuedBytes else {
                return CofferError.queueFull(state.outbound.byteCount)
            }
            call.setHeader(callID: id)
            register(call, id, sink, &state)
            state.outbound.append(call.frame, startingCall: id)
            if !flush(&state) { waker.wake() }
            return nil
        }
        if let refusal { sink.fail(refusal) }
    }

    /// Notes a call, and wakes the thread if it has to look at the clock earlier now.
    private func register(_ call: OutgoingCall, _ id: UInt64, _ sink: Sink, _ state: inout State) {
        state.calls[id] = PendingCall(sink: sink, deadline: call.deadline, mayWrite: call.mayWrite)
        guard state.nextDeadline.map({ call.deadline < $0 }) ?? true else { return }
        state.nextDeadline = call.deadline
        waker.wake()
    }

    /// Ends a call early, if it has not ended; the daemon is told to stop.
    private func abandon(_ id: UInt64, _ error: any Error) {
        let call = state.withLock { state -> PendingCall? in
            guard let call = state.calls.removeValue(forKey: id) else { return nil }
            withdraw(id, &state)
            return call
        }
        call?.sink.fail(error)
    }

    /// Takes the request back, or sends a cancel after it.
    ///
    /// - Returns: false if it was taken back: the daemon has not heard of the call.
    @discardableResult
    func withdraw(_ id: UInt64, _ state: inout State) -> Bool {
        guard state.status != .closed else { return true }
        guard !state.outbound.remove(call: id) else { return false }
        cancel([id], &state)
        return true
    }

    /// As `withdraw`, for many at once.
    ///
    /// - Returns: those that were taken back.
    func withdraw(_ ids: Set<UInt64>, _ state: inout State) -> Set<UInt64> {
        guard state.status != .closed else { return [] }
        let unsent = Set(state.outbound.removeUnsentCalls { ids.contains($0) })
        cancel(ids.subtracting(unsent), &state)
        return unsent
    }

    private func cancel(_ ids: Set<UInt64>, _ state: inout State) {
        for id in ids { state.outbound.append(Frame(FrameHeader(.cancel, callID: id)), startingCall: nil) }
        if !flush(&state) { waker.wake() }
    }

    // MARK: Sending and closing

    /// Sends what the kernel takes now.
    ///
    /// - Returns: false if some is left, for the thread to send.
    @discardableResult
    func flush(_ state: inout State) -> Bool {
        do throws(UnixSocket.SystemError) {
            var completed: [UInt64] = []
            defer { for id in completed { state.calls[id]?.isSent = true } }
            try state.outbound.flush { (bytes) throws(UnixSocket.SystemError) in
                try socket.send(bytes)
            } completed: { completed.append($0) }
            return state.outbound.isEmpty
        } catch {
            // Replies may still wait to be received; the thread finds the end
            // behind them and fails what is left.
            socket.shutdownWriting()
            state.outbound = OutboundQueue()
            state.writingFailed = true
            stopTakingCalls(&state)
            return false
        }
    }

    func stopTakingCalls(_ state: inout State) {
        guard state.status == .open else { return }
        state.status = .draining
        state.unusableSince = .now
    }

    /// Ends all calls with `error`; the thread then ends too.
    ///
    /// - Parameter wasTurnedAway: the daemon has carried out nothing that came on this connection.
    func close(_ error: CofferError, wasTurnedAway: Bool = false) {
        let calls = state.withLock { state -> [UInt64: PendingCall] in
            guard state.status != .closed else { return [:] }
            state.unusableSince = state.unusableSince ?? .now
            state.status = .closed
            state.end = ConnectionLost(cause: error, mayHaveBeenSent: false, wasTurnedAway: wasTurnedAway)
            state.outbound = OutboundQueue()
            socket.shutdown()
            defer { state.calls = [:] }
            return state.calls
        }
        waker.wake()
        Self.fail(calls, with: error, wasTurnedAway: wasTurnedAway)
    }

    private static func fail(_ calls: [UInt64: PendingCall], with error: CofferError, wasTurnedAway: Bool = false) {
        for call in calls.values {
            call.sink.fail(
                ConnectionLost(
                    cause: error, mayHaveBeenSent: call.isSent && !wasTurnedAway, wasTurnedAway: wasTurnedAway))
        }
    }
}

extension Connection.Sink {
    var takesOne: Bool {
        if case .one = self { true } else { false }
    }

    func fail(_ error: any Error) {
        switch self {
        case .one(let continuation, _): continuation.resume(throwing: error)
        case .many(let continuation): continuation.finish(throwing: error)
        }
    }
}
