import Glibc

/// The connection's thread. It keeps the connection alive until that is closed,
/// or is draining and has no call left.
extension Connection {
    /// Replies of one call that may wait for their consumer.
    static let maximumWaitingReplies = 1_024

    func startThread() throws(UnixSocket.SystemError) {
        let retained = Unmanaged.passRetained(self)
        // Signals are for the program's own threads: this one is born with all blocked.
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        var thread = pthread_t()
        let result = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<Connection>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, retained.toOpaque())
        pthread_sigmask(SIG_SETMASK, &before, nil)
        guard result == 0 else {
            retained.release()
            throw UnixSocket.SystemError(number: result)
        }
        pthread_detach(thread)
    }

    private func run() {
        var reader = FrameReader(maximumFrameBytes: maximumFrameBytes)
        while let (events, milliseconds) = nextWait() {
            var polled = [
                pollfd(fd: socket.descriptor, events: events, revents: 0),
                pollfd(fd: waker.readEnd, events: Int16(POLLIN), revents: 0),
            ]
            if poll(&polled, 2, milliseconds) < 0 { (polled[0].revents, polled[1].revents) = (0, 0) }
            if polled[1].revents != 0 { waker.drain() }
            if polled[0].revents & Int16(POLLOUT) != 0 { _ = state.withLock { flush(&$0) } }
            if polled[0].revents & Int16(POLLIN | POLLHUP | POLLERR) != 0 { receive(&reader) }
            expireCalls()
        }
        close(.connectionLost)
    }

    /// What to wait for, and until when; nil = the thread's work is done.
    private func nextWait() -> (events: Int16, milliseconds: Int32)? {
        state.withLock { state in
            // Where writing failed, why is behind what the daemon sent before.
            let hasWork = !state.calls.isEmpty || state.writingFailed
            guard state.status == .open || (state.status == .draining && hasWork) else { return nil }
            let events = state.outbound.isEmpty ? POLLIN : POLLIN | POLLOUT
            guard let next = state.nextDeadline else { return (Int16(events), -1) }
            // Rounded up, so that what is due is over when we wake.
            let milliseconds = ((next - .now) / .milliseconds(1)).rounded(.up)
            return (Int16(events), Int32(min(max(0, milliseconds), 60_000)))
        }
    }

    // MARK: Receiving

    private func receive(_ reader: inout FrameReader) {
        do throws(UnixSocket.SystemError) {
            let count = try reader.append { (memory) throws(UnixSocket.SystemError) in
                try socket.receive(memory)
            }
            if count == 0 { return close(.connectionLost) }
        } catch {
            return close(.connectionLost)
        }
        var frames: [(FrameHeader, Frame)] = []
        do throws(CofferError) {
            while let frame = try reader.next() { frames.append(frame) }
            deliver(frames)
        } catch {
            deliver(frames)
            close(error)
        }
    }

    /// What one frame leads to, outside the lock.
    private enum Effect {
        case reply(UInt64, Sink, Reply)
        case lost(Sink)
        case fatal(CofferError, wasTurnedAway: Bool = false)

        var isFatal: Bool {
            if case .fatal = self { true } else { false }
        }
    }

    private func deliver(_ frames: [(FrameHeader, Frame)]) {
        guard !frames.isEmpty else { return }
        let effects = state.withLock { state in
            var effects: [Effect] = []
            for (header, frame) in frames {
                effects += judge(header, frame, &state)
                // What comes behind a frame that ends the connection is not looked at.
                if effects.last?.isFatal == true { break }
            }
            return effects
        }
        for effect in effects {
            switch effect {
            case .reply(let id, let sink, let reply): pass(reply, of: id, to: sink)
            case .lost(let sink):
                sink.fail(ConnectionLost(cause: .connectionLost, mayHaveBeenSent: false))
            case .fatal(let error, let wasTurnedAway): return close(error, wasTurnedAway: wasTurnedAway)
            }
        }
    }

    private func judge(
        _ header: FrameHeader, _ frame: Frame, _ state: inout State
    ) -> [Effect] {
        guard header.version == FrameHeader.version, header.flags & ~FrameHeader.moreFlag == 0 else {
            return [.fatal(.protocolViolation("a frame of version \(header.version), flags \(header.flags)"))]
        }
        switch FrameKind(rawValue: header.kind) {
        case .response: return [response(header, Reply(header, frame), &state)].compactMap(\.self)
        case .goAway where header.callID == 0 && header.methodOrStatus != 0:
            return [.fatal(CofferError(Reply(header, frame), mayWrite: false), wasTurnedAway: true)]
        case .goAway where header.callID == 0:
            stopTakingCalls(&state)
            return state.outbound.removeUnsentCalls()
                .compactMap { state.calls.removeValue(forKey: $0) }.map { .lost($0.sink) }
        default:
            return [.fatal(.protocolViolation("a frame of kind \(header.kind), call \(header.callID)"))]
        }
    }

    private func response(_ header: FrameHeader, _ reply: Reply, _ state: inout State) -> Effect? {
        let id = header.callID
        guard let call = state.calls[id] else {
            // Call id 0: the daemon could not read what we sent, and closes. Other
            // calls have been given up meanwhile.
            return id == 0 && reply.status != 0 ? .fatal(CofferError(reply, mayWrite: false)) : nil
        }
        if reply.saysDraining { stopTakingCalls(&state) }
        // A failure ends its call, whatever it announces.
        var isEnd = !reply.more || reply.status != 0
        if !isEnd && call.sink.takesOne {
            isEnd = true
            withdraw(id, &state)
        }
        if isEnd { state.calls[id] = nil }
        return .reply(id, call.sink, reply)
    }

    private func pass(_ reply: Reply, of id: UInt64, to sink: Sink) {
        switch sink {
        case .one(let continuation, let mayWrite):
            if reply.more && reply.status == 0 {
                continuation.resume(throwing: CofferError.moreAnnounced.told(mayHaveBeenSent: true, mayWrite: mayWrite))
            } else {
                continuation.resume(returning: reply)
            }
        case .many(let continuation):
            if case .dropped = continuation.yield(reply) {
                // The end of the stream cancels the call.
                continuation.finish(throwing: CofferError.tooManyReplies(Self.maximumWaitingReplies))
            } else if !reply.more || reply.status != 0 {
                continuation.finish()
            }
        }
    }

    // MARK: Deadlines

    private func expireCalls() {
        let now = ContinuousClock.Instant.now
        let expired = state.withLock { state -> [(call: PendingCall, mayHaveBeenSent: Bool)] in
            guard let next = state.nextDeadline, next <= now else { return [] }
            let due = state.calls.filter { $0.value.deadline <= now }
            for id in due.keys { state.calls[id] = nil }
            let unsent = withdraw(Set(due.keys), &state)
            let expired = due.map { id, call in (call, !unsent.contains(id)) }
            state.nextDeadline = state.calls.values.map(\.deadline).min()
            return expired
        }
        for (call, mayHaveBeenSent) in expired {
            call.sink.fail(CofferError.deadlineExceeded.told(mayHaveBeenSent: mayHaveBeenSent, mayWrite: call.mayWrite))
        }
    }
}
