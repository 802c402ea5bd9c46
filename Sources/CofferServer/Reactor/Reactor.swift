import CLinux
import CofferAccess
import CofferCore
import CofferCrypto
import CofferWire
import Glibc
import Logging

/// One thread, one epoll, and the connections that are its own.
///
/// A turn of the loop: wait, read what came, answer what can be answered at
/// once, send all answers of a connection with one call. What must wait for a
/// vault comes back through the inbox.
final class Reactor: @unchecked Sendable {
    // Handed once to the thread that runs it; nothing else touches it then.

    /// Tokens of what is not a connection.
    private enum Token {
        static let inbox = UInt64.max
        static let listener = UInt64.max - 1
    }

    private static let scratchBytes = 256 << 10
    private static let eventsPerTurn = 256

    let index: Int
    let limits: ServerLimits
    let inbox: Inbox
    let counters: ReactorCounters
    let ledger: UIDLedger
    let log: Logger
    /// The clocks as read at the start of this turn.
    private(set) var now: BootInstant
    private(set) var wall: WallMilliseconds
    private(set) var draining = false

    private let clock: any Clock
    private let epoll: Int32
    private let parser: FrameParser
    private let endpoint: Endpoint
    private let arena: Arena
    private let scratch: UnsafeMutableRawBufferPointer
    private let events: UnsafeMutablePointer<epoll_event>
    private var buffers = BufferPool()
    private var connections: [Connection?] = []
    private var generations: [UInt32] = []
    private var freeSlots: [Int] = []
    private var openCount = 0
    private var touched: [Connection] = []
    private var deadlines = DeadlineQueue()
    private var nextSweep: BootInstant
    private var acceptor: Acceptor?
    private var drain: Drain?

    init(
        index: Int, shared: ServerContext, inbox: Inbox, counters: ReactorCounters,
        acceptor: Acceptor?
    ) throws(Failure) {
        self.index = index
        self.inbox = inbox
        self.counters = counters
        self.acceptor = acceptor
        limits = shared.limits
        ledger = shared.ledger
        log = shared.log
        clock = shared.clock
        now = clock.boot
        wall = clock.wall
        nextSweep = now + .seconds(1)
        parser = FrameParser(maximumFrameBytes: limits.frameBytes)
        arena = Arena(capacity: 2 * limits.frameBytes + (1 << 20))
        endpoint = Endpoint(shared: shared)
        scratch = .allocate(byteCount: Self.scratchBytes, alignment: 64)
        events = .allocate(capacity: Self.eventsPerTurn)
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epoll >= 0, coffer_epoll_add(epoll, inbox.eventfd, EPOLLIN.rawValue, Token.inbox) == 0
        else { throw .internalError("epoll failed with errno \(errno)") }
        if let acceptor {
            guard coffer_epoll_add(epoll, acceptor.listener, EPOLLIN.rawValue, Token.listener) == 0
            else { throw .internalError("epoll failed with errno \(errno)") }
        }
    }

    deinit {
        scratch.deallocate()
        events.deallocate()
        close(epoll)
    }

    // MARK: The loop

    /// Runs until drained.
    func run() {
        while !(drain?.isDone ?? false) {
            let count = epoll_wait(epoll, events, Int32(Self.eventsPerTurn), timeout())
            now = clock.boot
            wall = clock.wall
            for index in 0..<Int(max(0, count)) {
                let token = coffer_epoll_token(events + index)
                switch token {
                case Token.inbox: takeMessages()
                case Token.listener: accept()
                default: serve(token, events: events[index].events)
                }
            }
            if let due = acceptor?.restingUntil, due <= now { accept() }
            expireCalls()
            flushTouched()
            if now >= nextSweep { sweep() }
            if drain != nil { advanceDrain() }
            endpoint.sealer.rest()
        }
        for case let connection? in connections { drop(connection) }
    }

    /// Milliseconds until something is due; -1 = nothing is.
    private func timeout() -> Int32 {
        var due: BootInstant? = openCount > 0 ? nextSweep : nil
        for other in [deadlines.next, acceptor?.restingUntil, drain?.nextStep] {
            if let other { due = min(due ?? other, other) }
        }
        guard let due else { return -1 }
        // Rounded up, so that what is due is over when we wake.
        return due <= now ? 0 : Int32(min(60_000, due.milliseconds(since: now) + 1))
    }

    private func takeMessages() {
        for message in inbox.takeAll() {
            switch message {
            case .adopt(let fd, let peer): adopt(fd, peer)
            case .reply(let token, let callID, let reply, let more):
                finish(token, callID, reply, more: more)
            case .drain: beginDrain()
            }
        }
    }

    // MARK: Connections

    private func find(_ token: UInt64) -> Connection? {
        let slot = Int(token & 0xFFFF_FFFF)
        guard slot < connections.count, generations[slot] == UInt32(token >> 32) else { return nil }
        return connections[slot]
    }

    func adopt(_ fd: Int32, _ peer: Peer) {
        let slot = freeSlots.popLast() ?? connections.count
        if slot == connections.count {
            connections.append(nil)
            generations.append(0)
        }
        let token = UInt64(generations[slot]) << 32 | UInt64(slot)
        let connection = Connection(fd: fd, token: token, peer: peer, now: now)
        connections[slot] = connection
        openCount += 1
        if openCount == 1 { nextSweep = now + .seconds(1) }
        connection.interest = EPOLLIN.rawValue | EPOLLRDHUP.rawValue
        guard coffer_epoll_add(epoll, fd, connection.interest, token) == 0 else {
            drop(connection)
            return
        }
        if draining { goAway(connection) }
    }

    /// Ends the connection now; what waits for it finds it gone.
    private func drop(_ connection: Connection) {
        let slot = Int(connection.token & 0xFFFF_FFFF)
        guard connections[slot] === connection else { return }
        _ = coffer_epoll_remove(epoll, connection.fd)
        connections[slot] = nil
        generations[slot] &+= 1
        freeSlots.append(slot)
        openCount -= 1
        ledger.endCalls(uid: connection.peer.uid, connection.calls.count)
        ledger.closeConnection(uid: connection.peer.uid)
        connection.calls = [:]
        if let input = connection.input { release(input) }
        if let output = connection.output { release(output) }
        connection.input = nil
        connection.output = nil
        connection.closing = true
    }

    private func release(_ buffer: ByteBuffer) {
        buffer.wipe()
        buffers.give(buffer)
    }

    private func setInterest(_ connection: Connection) {
        var wanted: UInt32 = 0
        if !connection.readClosed && !isPaused(connection) && !connection.closing {
            wanted |= EPOLLIN.rawValue | EPOLLRDHUP.rawValue
        }
        if connection.output != nil { wanted |= EPOLLOUT.rawValue }
        guard wanted != connection.interest else { return }
        connection.interest = wanted
        if coffer_epoll_modify(epoll, connection.fd, wanted, connection.token) != 0 { drop(connection) }
    }

    /// Too much is under way: the peer is not read from until some of it is done.
    @inline(__always)
    private func isPaused(_ connection: Connection) -> Bool {
        connection.calls.count >= limits.callsPerConnection
            || (connection.output?.count ?? 0) > limits.outputBytes
    }

    private func serve(_ token: UInt64, events: UInt32) {
        guard let connection = find(token) else { return }
        if events & EPOLLIN.rawValue != 0 && !connection.readClosed { receive(connection) }
        if events & EPOLLOUT.rawValue != 0 { touch(connection) }
        if events & (EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 && events & EPOLLIN.rawValue == 0 {
            // Nobody is there to take an answer.
            drop(connection)
        } else if events & EPOLLRDHUP.rawValue != 0 && events & EPOLLIN.rawValue == 0 {
            endOfInput(connection)
        }
    }

    // MARK: Reading

    private func receive(_ connection: Connection) {
        if let input = connection.input {
            let room = input.reserve(BufferPool.bufferBytes)
            let count = recv(connection.fd, room, BufferPool.bufferBytes, 0)
            guard received(count, connection) else { return }
            input.commit(count)
            takeFrames(connection)
            return
        }
        let count = recv(connection.fd, scratch.baseAddress, Self.scratchBytes, 0)
        guard received(count, connection) else { return }
        let bytes = UnsafeRawBufferPointer(start: scratch.baseAddress, count: count)
        let taken = process(bytes, connection)
        if taken < count && !connection.closing {
            let input = buffers.take()
            input.append(UnsafeRawBufferPointer(rebasing: bytes[taken...]))
            connection.input = input
        }
        coffer_wipe(scratch.baseAddress!, count)
        afterFrames(connection)
    }

    /// Whether there is something to take.
    private func received(_ count: Int, _ connection: Connection) -> Bool {
        if count > 0 {
            connection.lastActivity = now
            return true
        }
        if count == 0 {
            endOfInput(connection)
        } else if errno != EAGAIN && errno != EINTR {
            drop(connection)
        }
        return false
    }

    /// Takes the frames that wait in the connection's own buffer.
    private func takeFrames(_ connection: Connection) {
        guard let input = connection.input else { return }
        let taken = process(input.bytes, connection)
        input.consume(taken)
        if input.isEmpty || connection.closing {
            release(input)
            connection.input = nil
        }
        afterFrames(connection)
    }

    private func afterFrames(_ connection: Connection) {
        // A frame whose rest is awaited; frames held back by a pause do not age.
        if connection.input == nil || isPaused(connection) {
            connection.frameSince = nil
        } else if connection.frameSince == nil {
            connection.frameSince = now
        }
        touch(connection)
    }

    /// Acts on every whole frame; returns how many bytes that took.
    private func process(_ bytes: UnsafeRawBufferPointer, _ connection: Connection) -> Int {
        var position = 0
        while position < bytes.count && !connection.closing {
            if connection.skip > 0 {
                let skipped = min(connection.skip, bytes.count - position)
                connection.skip -= skipped
                position += skipped
                continue
            }
            if isPaused(connection) { break }
            let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
            switch parser.next(in: rest) {
            case .incomplete: return position
            case .frame(let header, let payloadBytes):
                connection.frameSince = nil
                let start = position + FrameHeader.byteCount
                act(
                    on: header,
                    UnsafeRawBufferPointer(rebasing: bytes[start..<start + payloadBytes]), connection)
                position = start + payloadBytes
            case .oversized(let header, let frameBytes):
                counters.malformed.increment()
                refuse(connection, header.callID, .frameTooLarge(frameBytes, limits.frameBytes))
                connection.skip = frameBytes
            case .unsupported(let header):
                counters.malformed.increment()
                refuse(connection, header.callID, .unsupportedFrame(header))
                connection.closing = true
            case .lengthTooSmall(let length):
                counters.malformed.increment()
                refuse(connection, 0, .lengthTooSmall(length))
                connection.closing = true
            case .text(let isHTTP):
                counters.malformed.increment()
                let answer = isHTTP ? TextAnswer.http : TextAnswer.line
                answer.withUTF8Buffer { output(connection).append(UnsafeRawBufferPointer($0)) }
                connection.closing = true
            }
        }
        return connection.closing ? bytes.count : position
    }

    @inline(__always)
    private func act(
        on header: FrameHeader, _ payload: UnsafeRawBufferPointer, _ connection: Connection
    ) {
        if header.kind == FrameKind.cancel.rawValue {
            cancel(header.callID, connection)
            return
        }
        counters.requests.increment()
        let call = Call(reactor: self, connection: connection, header: header)
        do throws(Failure) {
            guard !draining else { throw .draining }
            guard header.flags == 0 else { throw .unknownFlags(header.flags) }
            guard connection.calls.isEmpty || connection.calls[header.callID] == nil else {
                throw .duplicateCallID(header.callID)
            }
            try endpoint.handle(header.methodOrStatus, payload, arena, call)
        } catch {
            if error.reason == .malformed { counters.malformed.increment() }
            refuse(connection, header.callID, error)
        }
        arena.reset()
    }

    private func cancel(_ callID: UInt64, _ connection: Connection) {
        guard let call = connection.calls[callID], call.abandonable else { return }
        counters.cancelled.increment()
        endCall(connection, callID)
        refuse(
            connection, callID, Failure(.cancelled, .cancelled, "the client cancelled this call"))
    }

    private func endOfInput(_ connection: Connection) {
        connection.readClosed = true
        if let input = connection.input, !isPaused(connection) {
            // The start of a frame whose rest will not come.
            release(input)
            connection.input = nil
        }
        touch(connection)
    }

    // MARK: Calls that wait

    /// Notes a call that a vault will answer.
    ///
    /// - Returns: when it must be over.
    /// - Throws: RESOURCE_EXHAUSTED if its uid has too many.
    func begin(_ call: Call, abandonable: Bool) throws(Failure) -> BootInstant {
        guard ledger.beginCall(uid: call.connection.peer.uid) else {
            throw .tooManyCalls(limits.callsPerUID)
        }
        let asked = call.header.timeoutOrRetry
        let milliseconds = min(
            asked == 0 ? limits.callMilliseconds : asked, limits.maximumCallMilliseconds)
        let deadline = now + .milliseconds(Int64(milliseconds))
        call.connection.calls[call.header.callID] = PendingCall(abandonable: abandonable)
        deadlines.insert(
            .init(deadline: deadline, connection: call.connection.token, callID: call.header.callID))
        return deadline
    }

    /// Takes the call off the list; true if it was there.
    @discardableResult
    private func endCall(_ connection: Connection, _ callID: UInt64) -> Bool {
        guard connection.calls.removeValue(forKey: callID) != nil else { return false }
        ledger.endCalls(uid: connection.peer.uid)
        return true
    }

    /// Sends what a vault has brought, unless the call is over or its peer gone.
    func finish(_ token: UInt64, _ callID: UInt64, _ reply: Reply, more: Bool) {
        guard let connection = find(token), connection.calls[callID] != nil else { return }
        if !more { endCall(connection, callID) }
        switch reply {
        case .message(let message): respond(connection, callID, message, more: more)
        case .record(let record, let tail): respond(connection, callID, record, tail: tail)
        case .failure(let failure): refuse(connection, callID, failure)
        }
        touch(connection)
    }

    private func expireCalls() {
        while let item = deadlines.popExpired(at: now) {
            guard let connection = find(item.connection), endCall(connection, item.callID) else {
                continue
            }
            counters.deadlines.increment()
            refuse(connection, item.callID, .deadlineExceeded())
        }
    }

    // MARK: Writing

    /// Where replies to this connection are appended; they go out at the end of the turn.
    @inline(__always)
    func output(_ connection: Connection) -> ByteBuffer {
        if let output = connection.output { return output }
        let output = buffers.take()
        connection.output = output
        return output
    }

    func respond(_ connection: Connection, _ callID: UInt64, _ message: Secret, more: Bool = false) {
        let output = output(connection)
        FrameHeader(
            kind: .response, flags: more ? FrameHeader.moreFlag : 0, callID: callID,
            payloadBytes: message.count
        ).store(to: output.reserve(FrameHeader.byteCount + message.count))
        output.commit(FrameHeader.byteCount)
        message.withUnsafeBytes { output.append($0) }
    }

    private func respond(
        _ connection: Connection, _ callID: UInt64, _ record: Secret, tail: GetResponseTail
    ) {
        let output = output(connection)
        let start = output.reserve(
            FrameHeader.byteCount + record.count + GetResponseTail.maximumBytes)
        let body = start + FrameHeader.byteCount
        record.withUnsafeBytes { body.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        let count = record.count + tail.write(to: body + record.count)
        FrameHeader(kind: .response, callID: callID, payloadBytes: count).store(to: start)
        output.commit(FrameHeader.byteCount + count)
    }

    func refuse(_ connection: Connection, _ callID: UInt64, _ failure: Failure) {
        counters.failures.increment()
        let message = ReplyMessages.failure(failure)
        let output = output(connection)
        FrameHeader(
            kind: .response, callID: callID, methodOrStatus: failure.code.rawValue,
            timeoutOrRetry: failure.retryAfterMilliseconds, payloadBytes: message.count
        ).store(to: output.reserve(FrameHeader.byteCount))
        output.commit(FrameHeader.byteCount)
        message.withUnsafeBytes { output.append($0) }
        touch(connection)
    }

    @inline(__always)
    private func touch(_ connection: Connection) {
        guard !connection.touched else { return }
        connection.touched = true
        touched.append(connection)
    }

    private func flushTouched() {
        // Flushing may let held-back frames go on, which touches again.
        var index = 0
        while index < touched.count {
            let connection = touched[index]
            index += 1
            connection.touched = false
            flush(connection)
        }
        touched.removeAll(keepingCapacity: true)
    }

    private func flush(_ connection: Connection) {
        guard find(connection.token) === connection else { return }
        if let output = connection.output {
            guard send(output, connection) else { return }
            if output.isEmpty {
                buffers.give(output)
                connection.output = nil
                connection.stalledSince = nil
            }
        }
        if connection.output == nil && isFinished(connection) {
            drop(connection)
            return
        }
        if connection.input != nil && !isPaused(connection) && connection.frameSince == nil {
            takeFrames(connection)
        }
        setInterest(connection)
    }

    /// Nothing more will be sent to it.
    private func isFinished(_ connection: Connection) -> Bool {
        connection.closing
            || (connection.readClosed && connection.calls.isEmpty && connection.input == nil)
    }

    /// One send; false if the connection is gone.
    private func send(_ output: ByteBuffer, _ connection: Connection) -> Bool {
        let bytes = output.bytes
        let sent = Glibc.send(
            connection.fd, bytes.baseAddress, bytes.count,
            Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
        if sent > 0 {
            output.consume(sent)
            connection.stalledSince = output.isEmpty ? nil : now
            return true
        }
        if sent < 0 && errno != EAGAIN && errno != EINTR {
            drop(connection)
            return false
        }
        if connection.stalledSince == nil { connection.stalledSince = now }
        return true
    }

    // MARK: Slow peers

    /// Once a second: cuts those that stall.
    private func sweep() {
        nextSweep = now + .seconds(1)
        for case let connection? in connections where isTooSlow(connection) {
            counters.cutSlowPeers.increment()
            drop(connection)
        }
    }

    private func isTooSlow(_ connection: Connection) -> Bool {
        func over(_ since: BootInstant?, _ seconds: Int) -> Bool {
            guard let since, seconds > 0 else { return false }
            return since + .seconds(Int64(seconds)) < now
        }
        return over(connection.frameSince, limits.frameSeconds)
            || over(connection.stalledSince, limits.writeStallSeconds)
            || (connection.calls.isEmpty && over(connection.lastActivity, limits.idleSeconds))
    }

    // MARK: Accepting

    private func accept() {
        guard let acceptor else { return }
        if let until = acceptor.restingUntil, until > now { return }
        acceptor.acceptBatch(now: now, self)
        acceptor.watch(epoll: epoll, token: Token.listener)
    }

    /// The connection may not stay: say why, in a go-away, and close.
    func turnAway(_ fd: Int32, _ failure: Failure) {
        counters.refusedConnections.increment()
        let message = ReplyMessages.failure(failure)
        let buffer = ByteBuffer(capacity: FrameHeader.byteCount + message.count)
        FrameHeader(
            kind: .goAway, callID: 0, methodOrStatus: failure.code.rawValue,
            payloadBytes: message.count
        ).store(to: buffer.reserve(FrameHeader.byteCount))
        buffer.commit(FrameHeader.byteCount)
        message.withUnsafeBytes { buffer.append($0) }
        _ = Glibc.send(fd, buffer.bytes.baseAddress, buffer.count, Int32(MSG_NOSIGNAL))
        close(fd)
    }

    // MARK: Draining

    private func beginDrain() {
        guard drain == nil else { return }
        draining = true
        if acceptor != nil { _ = coffer_epoll_remove(epoll, acceptor!.listener) }
        acceptor = nil
        drain = Drain(start: now, seconds: limits.drainSeconds)
        for case let connection? in connections { goAway(connection) }
        flushTouched()
    }

    private func goAway(_ connection: Connection) {
        let output = output(connection)
        FrameHeader(kind: .goAway, callID: 0, payloadBytes: 0)
            .store(to: output.reserve(FrameHeader.byteCount))
        output.commit(FrameHeader.byteCount)
        touch(connection)
    }

    /// First peers may hang up by themselves; then no more is read, and what has
    /// come is refused; last, what still waits is refused.
    private func advanceDrain() {
        guard var drain else { return }
        switch drain.step(now: now) {
        case .wait: break
        case .stopReading:
            for case let connection? in connections where !connection.readClosed {
                shutdown(connection.fd, Int32(SHUT_RD))
            }
        case .refuseWaiting:
            for case let connection? in connections {
                for callID in connection.calls.keys {
                    refuse(connection, callID, .draining)
                    endCall(connection, callID)
                }
                connection.readClosed = true
                touch(connection)
            }
            flushTouched()
        }
        drain.isDone = openCount == 0 || now >= drain.end
        self.drain = drain
    }
}
