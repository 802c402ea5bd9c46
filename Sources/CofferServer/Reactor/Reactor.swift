import CLinux
import CofferAccess
import CofferCore
import CofferVault
import CofferWire
import Glibc
import Logging

/// One thread, one epoll, and the connections that are its own.
///
/// A turn of the loop: wait; then for each event read what came, answer what can
/// be answered at once, and send all answers of the connection with one call. What
/// must wait for a vault comes back through the inbox. Nothing that a turn does is
/// bounded by clients alone: see `Quantum`.
final class Reactor: @unchecked Sendable {
    // Handed once to the thread that runs it; nothing else touches it then. For
    // the same reason its variables do without run-time exclusivity checks, which
    // cost more than the work they guard here.

    /// Tokens of what is not a connection.
    enum Token {
        static let inbox = UInt64.max
        static let listener = UInt64.max - 1
    }

    static let scratchBytes = 64 << 10
    static let eventsPerTurn = 256

    let index: Int
    @exclusivity(unchecked) private(set) var limits: ServerLimits
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
    @exclusivity(unchecked) private var isStopped = false
    /// No secret has passed since `rest`.
    @exclusivity(unchecked) var isResting = true

    let clock: any Clock
    let epoll: Int32
    let parser: FrameParser
    let services: any CallServices
    let access: AccessControl
    /// The number of the last question about a caller.
    @exclusivity(unchecked) var lastQuestion: UInt64 = 0
    let observer: (any CallObserver)?
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
    @exclusivity(unchecked) var readyStreams = ReadyStreams()
    @exclusivity(unchecked) var deadlines = DeadlineQueue()
    /// The tokens of connections that have more to do than their part of a turn.
    @exclusivity(unchecked) var behind = TurnQueue<UInt64>()
    /// The serials of calls whose connections are gone, and whose work is still to be stopped.
    @exclusivity(unchecked) var abandoned: [UInt64] = []
    @exclusivity(unchecked) var stalled = StalledQueue()
    /// Units of work done so far, and how many there are when this turn has done much.
    @exclusivity(unchecked) var spent = 0
    @exclusivity(unchecked) var muchSpent = 0
    @exclusivity(unchecked) var nextSweep: BootInstant
    /// Where a sweep goes on that is under way.
    @exclusivity(unchecked) var sweepSlot = 0
    @exclusivity(unchecked) var acceptor: Acceptor?
    @exclusivity(unchecked) var drain: Drain?

    init(
        index: Int, shared: ServerContext, services: any CallServices, inbox: Inbox, counters: ReactorCounters,
        acceptor: Acceptor?
    ) throws(Failure) {
        self.index = index
        self.services = services
        self.inbox = inbox
        self.counters = counters
        self.acceptor = acceptor
        limits = shared.limits
        spin = shared.spin
        ledger = shared.ledger
        budget = shared.budget
        log = shared.log
        observer = shared.observer
        access = shared.access
        clock = shared.clock
        now = clock.boot
        wall = clock.wall
        nextSweep = now + .seconds(1)
        parser = FrameParser(maximumFrameBytes: limits.frameBytes)
        arena = Arena(capacity: 2 * limits.frameBytes + (1 << 20))
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

    /// Runs until drained, and then for work that has begun until it is stopped: its tasks have no
    /// other thread.
    ///
    /// - Parameter whenDrained: called once, when all connections are gone.
    func run(whenDrained: () -> Void) {
        inbox.claim()
        while !(drain?.isDone ?? false) { turn(waiting: timeout()) }
        for case let connection? in connections { drop(connection) }
        stopAbandoned(within: nil)
        whenDrained()
        while !isStopped { turn(waiting: isCaughtUp ? Self.idleMilliseconds : 0) }
    }

    /// How long a drained reactor sleeps when nothing comes.
    private static let idleMilliseconds: Int32 = 100

    /// One turn: acts on what has come within so many milliseconds, and on what
    /// is due.
    func turn(waiting milliseconds: Int32) {
        let count = wait(milliseconds)
        // Who did not wait has not rested: there is work of its own.
        if count == 0 && milliseconds != 0 { rest() }
        if count > 0 { isResting = false }
        now = clock.boot
        wall = clock.wall
        muchSpent = spent + Quantum.ofTurn
        var listens = inbox.hasHeard
        for index in 0..<Int(max(0, count)) {
            let token = coffer_epoll_token(events + index)
            switch token {
            case Token.inbox: listens = true
            case Token.listener: accept()
            default: serve(token, events: events[index].events)
            }
            endEvent()
        }
        if let due = acceptor?.restingUntil, due <= now { accept() }
        if listens { inbox.takeAll(within: Slice(clock), take) }
        if let due = deadlines.next, due <= now { expireCalls() }
        if !readyStreams.isEmpty { giveTurns() }
        // Once: what these leave behind waits for the next turn, so that other
        // connections get theirs in between; but answers go out now.
        if inbox.hasOwn {
            inbox.takeOwn(within: Slice(clock), take)
            inbox.takeAnswers(within: Slice(clock), take)
        }
        endEvent()
        if !behind.isEmpty { goOn() }
        if !abandoned.isEmpty { stopAbandoned(within: Slice(clock)) }
        if now >= nextSweep { sweep() }
        if drain != nil { advanceDrain() }
        endEvent()
    }

    /// Answers leave when they are ready: callers sleep until they come. What must be on disk
    /// before the answers of a turn belongs before this.
    @inline(__always)
    private func endEvent() { if !touched.isEmpty { flushTouched() } }

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

    /// No turn has left anything to do.
    var isCaughtUp: Bool { !inbox.hasOwn && behind.isEmpty && abandoned.isEmpty }

    /// Milliseconds until something is due; -1 = nothing is.
    func timeout() -> Int32 {
        guard isCaughtUp else { return 0 }
        var due: BootInstant? = openCount > 0 ? nextSweep : nil
        func note(_ other: BootInstant?) {
            if let other { due = min(due ?? other, other) }
        }
        note(deadlines.next)
        note(acceptor?.restingUntil)
        note(nextTurnAt)
        if drain != nil { note(now + .milliseconds(Drain.pollMilliseconds)) }
        // Rounded up, so that what is due is over when we wake.
        let wait = due.map { $0 <= now ? 0 : Int32(min(60_000, $0.milliseconds(since: now) + 1)) } ?? -1
        // Setting the cache's key up anew with every turn would cost more than the
        // rest of a hit; so it is forgotten when a millisecond brings nothing.
        return isResting ? wait : wait < 0 ? 1 : min(1, wait)
    }

    /// Before a longer wait: leaves nothing of secrets behind.
    func rest() {
        guard !isResting else { return }
        services.rest()
        StackScrubber.scrub()
        isResting = true
    }

    func take(_ message: ReactorMessage) {
        switch message {
        case .adopt(let fd, let peer, let identity): adopt(fd, peer, identity)
        case .reply(let serial, let reply): finish(serial, reply)
        case .stream(let waiter): awaitTurn(waiter)
        case .piece(let piece): finish(piece)
        case .job(let job): job.runSynchronously(on: inbox.asUnownedTaskExecutor())
        case .work(let item): item.run()
        case .later(let time, let work): awaitDeadline(.init(deadline: time, subject: .work(work, call: nil)))
        case .limits(let limits): self.limits = limits
        case .drain: beginDrain()
        case .stop: isStopped = true
        }
    }
}
