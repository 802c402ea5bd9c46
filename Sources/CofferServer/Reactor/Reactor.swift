import CLinux
import CofferAccess
import CofferCore
import CofferCrypto
import CofferVault
import CofferWire
import Glibc
import Logging

/// One thread, one epoll, and the connections that are its own.
///
/// A turn of the loop: wait, read what came, answer what can be answered at
/// once, send all answers of a connection with one call. What must wait for a
/// vault comes back through the inbox.
final class Reactor: @unchecked Sendable {
    // Handed once to the thread that runs it; nothing else touches it then. For
    // the same reason its variables do without run-time exclusivity checks, which
    // cost more than the work they guard here.

    /// Tokens of what is not a connection.
    enum Token {
        static let inbox = UInt64.max
        static let listener = UInt64.max - 1
    }

    static let scratchBytes = 256 << 10
    static let eventsPerTurn = 256

    let index: Int
    let limits: ServerLimits
    let spin: Duration
    let inbox: Inbox
    let counters: ReactorCounters
    let ledger: UIDLedger
    let budget: BufferBudget
    let log: Logger
    /// The clocks as read at the start of this turn.
    @exclusivity(unchecked) var now: BootInstant
    @exclusivity(unchecked) var wall: WallMilliseconds
    @exclusivity(unchecked) var draining = false
    /// No secret has passed since `rest`.
    @exclusivity(unchecked) var isResting = true

    let clock: any Clock
    let epoll: Int32
    let parser: FrameParser
    let endpoint: Endpoint
    let arena: Arena
    let scratch: UnsafeMutableRawBufferPointer
    let events: UnsafeMutablePointer<epoll_event>
    @exclusivity(unchecked) var buffers = BufferPool()
    @exclusivity(unchecked) var connections: [Connection?] = []
    @exclusivity(unchecked) var generations: [UInt32] = []
    @exclusivity(unchecked) var freeSlots: [Int] = []
    @exclusivity(unchecked) var openCount = 0
    @exclusivity(unchecked) var touched: [Connection] = []
    /// Calls that wait for a vault, by serial.
    @exclusivity(unchecked) var calls: [UInt64: PendingCall] = [:]
    @exclusivity(unchecked) var lastSerial: UInt64 = 0
    /// The tokens of connections that can give a turn out, and until when that has to wait.
    @exclusivity(unchecked) var readyStreams: [UInt64] = []
    @exclusivity(unchecked) var streamsRestUntil: BootInstant?
    @exclusivity(unchecked) var deadlines = DeadlineQueue()
    @exclusivity(unchecked) var nextSweep: BootInstant
    @exclusivity(unchecked) var acceptor: Acceptor?
    @exclusivity(unchecked) var drain: Drain?

    init(
        index: Int, shared: ServerContext, inbox: Inbox, counters: ReactorCounters,
        acceptor: Acceptor?
    ) throws(Failure) {
        self.index = index
        self.inbox = inbox
        self.counters = counters
        self.acceptor = acceptor
        limits = shared.limits
        spin = shared.spin
        ledger = shared.ledger
        budget = shared.budget
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
        inbox.claim()
        while !(drain?.isDone ?? false) { turn(waiting: timeout()) }
        for case let connection? in connections { drop(connection) }
    }

    /// One turn: acts on what has come within so many milliseconds, and on what
    /// is due.
    func turn(waiting milliseconds: Int32) {
        let count = wait(milliseconds)
        // Who did not wait has not rested: there is work of its own.
        if count == 0 && milliseconds != 0 { rest() }
        if count > 0 { isResting = false }
        now = clock.boot
        wall = clock.wall
        for index in 0..<Int(max(0, count)) {
            let token = coffer_epoll_token(events + index)
            switch token {
            case Token.inbox: inbox.takeAll(take)
            case Token.listener: accept()
            default: serve(token, events: events[index].events)
            }
        }
        if let due = acceptor?.restingUntil, due <= now { accept() }
        expireCalls()
        giveTurns()
        // Once: what these leave behind waits for the next turn, so that other
        // connections get theirs in between; but answers go out now.
        if inbox.hasOwn {
            inbox.takeOwn(take)
            inbox.takeAnswers(take)
        }
        flushTouched()
        if now >= nextSweep { sweep() }
        if drain != nil { advanceDrain() }
    }

    /// Waits for events. Who has to be woken is late by what that takes, so it first
    /// looks for them without sleeping, if it may; not while nobody calls.
    private func wait(_ milliseconds: Int32) -> Int32 {
        let capacity = Int32(Self.eventsPerTurn)
        if spin > .zero, !isResting, milliseconds != 0 {
            let end = clock.boot + spin
            repeat {
                let count = epoll_wait(epoll, events, capacity, 0)
                if count != 0 { return count }
            } while clock.boot < end
        }
        return epoll_wait(epoll, events, capacity, milliseconds)
    }

    /// Milliseconds until something is due; -1 = nothing is.
    func timeout() -> Int32 {
        if inbox.hasOwn { return 0 }
        var due: BootInstant? = openCount > 0 ? nextSweep : nil
        for other in [
            deadlines.next, acceptor?.restingUntil, nextTurnAt,
            drain.map { _ in now + .milliseconds(Drain.pollMilliseconds) },
        ] {
            if let other { due = min(due ?? other, other) }
        }
        // Rounded up, so that what is due is over when we wake.
        let wait = due.map { $0 <= now ? 0 : Int32(min(60_000, $0.milliseconds(since: now) + 1)) } ?? -1
        // Setting the cache's key up anew with every turn would cost more than the
        // rest of a hit; so it is forgotten when a millisecond brings nothing.
        return isResting ? wait : wait < 0 ? 1 : min(1, wait)
    }

    /// Before a longer wait: leaves nothing of secrets behind.
    func rest() {
        guard !isResting else { return }
        endpoint.rest()
        Traces.forget()
        isResting = true
    }

    func take(_ message: ReactorMessage) {
        switch message {
        case .adopt(let fd, let peer): adopt(fd, peer)
        case .reply(let serial, let reply, let more): finish(serial, reply, more: more)
        case .stream(let waiter): awaitTurn(waiter)
        case .turnOver(let connection, let uid): endTurn(of: connection, uid: uid)
        case .job(let job): job.runSynchronously(on: inbox.asUnownedTaskExecutor())
        case .work(let items): for item in items { item.run() }
        case .patience(let flight, let until):
            awaitDeadline(.init(deadline: until, subject: .flight(flight)))
        case .drain: beginDrain()
        }
    }

    // MARK: Connections

    func find(_ token: UInt64) -> Connection? {
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
    func drop(_ connection: Connection) {
        let slot = Int(connection.token & 0xFFFF_FFFF)
        guard connections[slot] === connection else { return }
        _ = coffer_epoll_remove(epoll, connection.fd)
        connections[slot] = nil
        generations[slot] &+= 1
        freeSlots.append(slot)
        openCount -= 1
        for callID in connection.calls.keys { giveUp(connection, callID) }
        ledger.closeConnection(uid: connection.peer.uid)
        endStreams(connection) { _ in true }
        budget.release(connection.charged, uid: connection.peer.uid)
        connection.charged = 0
        if let input = connection.input { release(input) }
        if let output = connection.output { release(output) }
        connection.input = nil
        connection.output = nil
        connection.closing = true
    }

    func release(_ buffer: ByteBuffer) {
        buffer.wipe()
        buffers.give(buffer)
    }

    func setInterest(_ connection: Connection) {
        var wanted: UInt32 = 0
        if !connection.readClosed && !isPaused(connection) && !connection.closing {
            wanted |= EPOLLIN.rawValue | EPOLLRDHUP.rawValue
        }
        if connection.output != nil { wanted |= EPOLLOUT.rawValue }
        guard wanted != connection.interest else { return }
        connection.interest = wanted
        if coffer_epoll_modify(epoll, connection.fd, wanted, connection.token) != 0 { drop(connection) }
    }

    /// Too many replies wait: the peer is not read from until it has taken some. However many
    /// calls wait, it is read: what needs no vault, and cancels, must get through.
    @inline(__always)
    func isPaused(_ connection: Connection) -> Bool { (connection.output?.count ?? 0) > limits.outputBytes }

    func serve(_ token: UInt64, events: UInt32) {
        guard let connection = find(token) else { return }
        if events & EPOLLIN.rawValue != 0 && !connection.readClosed && !isPaused(connection) { receive(connection) }
        if events & EPOLLOUT.rawValue != 0 { touch(connection) }
        if events & (EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 && events & EPOLLIN.rawValue == 0 {
            // Nobody is there to take an answer.
            drop(connection)
        } else if events & EPOLLRDHUP.rawValue != 0 && events & EPOLLIN.rawValue == 0 {
            endOfInput(connection)
        }
    }
}
