internal import CLinux
internal import CofferCore
internal import Glibc
internal import Synchronization

/// The I/O thread's loop: every handle of libcurl's is used by whoever holds `work`.
final class EngineLoop: @unchecked Sendable {
    // `mailbox` and `work` are locked; the rest is constant.
    enum Command: Sendable {
        case start(Transfer, ConnectionGroup)
        case cancel(Transfer, ConnectionGroup)
        /// There is room for more of its answer.
        case resume(Transfer, ConnectionGroup)
        case drop(ConnectionGroup)
        case stop
    }

    private struct Mailbox {
        var commands: [Command] = []
        var isClosed = false
        var lastGroup: UInt32 = 0
    }

    private struct Work {
        var groups: [UInt32: ConnectionGroup] = [:]
        var isStopped = false
        /// When the I/O thread wakes by itself; nil = not before something happens.
        var wakes: BootInstant?

        /// Of some answer there is a part.
        var isAnswering: Bool { groups.values.contains(where: \.isAnswering) }

        var due: BootInstant? { groups.values.lazy.compactMap(\.due).min() }
    }

    private let clock: any Clock
    private let epoll: Int32
    private let bell: Int32
    private let sockets: SocketWatch
    private let mailbox = Mutex(Mailbox())
    private let work = Mutex(Work())

    private static let bellToken: UInt64 = .max
    /// How soon the I/O thread looks again after something happened: before libcurl's
    /// timer for a transfer that begins after that, which is of a second.
    private static let watch = Duration.milliseconds(900)
    /// How long the rest of an answer is looked for without sleeping: servers send
    /// headers and body one right after the other, and to be woken takes longer.
    private static let pause = Duration.microseconds(50)

    init(clock: any Clock) throws(Failure) {
        self.clock = clock
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        bell = coffer_eventfd()
        sockets = SocketWatch(epoll: epoll)
        guard epoll >= 0, bell >= 0, coffer_epoll_add(epoll, bell, EPOLLIN.rawValue, Self.bellToken) == 0 else {
            throw .internalError("epoll or eventfd failed with errno \(errno)")
        }
    }

    deinit {
        Glibc.close(epoll)
        Glibc.close(bell)
    }

    func makeGroup(for endpoint: HTTPEndpoint) -> ConnectionGroup {
        let id = mailbox.withLock { mailbox in
            mailbox.lastGroup += 1
            return mailbox.lastGroup
        }
        return ConnectionGroup(id: id, endpoint: endpoint, watched: sockets, clock: clock)
    }

    func post(_ command: Command) {
        let (isClosed, isFirst) = mailbox.withLock { mailbox in
            if mailbox.isClosed { return (true, false) }
            mailbox.commands.append(command)
            if case .stop = command { mailbox.isClosed = true }
            return (false, mailbox.commands.count == 1)
        }
        if isClosed, case .start(let transfer, _) = command { transfer.fail(.closed) }
        if case .start(_, let group) = command, !isClosed, begin(group) { return }
        if isFirst { ring() }
    }

    /// Begins what was posted on the thread that posted it, if the I/O thread has
    /// nothing in hand and a connection of the group waits for its next request: to
    /// write it there takes less than to wake a thread for it. To connect takes more.
    ///
    /// - Returns: whether that was done.
    private func begin(_ group: ConnectionGroup) -> Bool {
        let isLate: Bool? = work.withLockIfAvailable { work in
            guard group.isReady, !work.isStopped else { return nil }
            takeCommands(&work)
            runDue(&work)
            guard let due = work.due else { return work.isStopped }
            return work.isStopped || work.wakes.map { due < $0 } ?? true
        } ?? nil
        if isLate == true { ring() }
        return isLate != nil
    }

    private func ring() {
        var one: UInt64 = 1
        _ = write(bell, &one, 8)
    }

    /// Serves until it is stopped; then every transfer has been answered.
    func run() {
        let capacity: Int32 = 64
        let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: Int(capacity))
        defer { events.deallocate() }
        var milliseconds: Int32? = 0
        var isAnswering = false
        while let timeout = milliseconds {
            let count = wait(events, capacity, timeout, isAnswering: isAnswering)
            milliseconds = work.withLock { work in
                defer { isAnswering = count > 0 && work.isAnswering }
                for index in 0..<max(0, Int(count)) { handle(&events[index], &work) }
                takeCommands(&work)
                runDue(&work)
                return work.isStopped ? nil : self.milliseconds(&work, isQuiet: count <= 0)
            }
        }
        work.withLock { work in
            for group in work.groups.values { group.close() }
            work.groups = [:]
        }
    }

    private func wait(
        _ events: UnsafeMutablePointer<epoll_event>, _ capacity: Int32, _ timeout: Int32, isAnswering: Bool
    ) -> Int32 {
        if isAnswering {
            let end = clock.boot + Self.pause
            repeat {
                let count = epoll_wait(epoll, events, capacity, 0)
                if count != 0 { return count }
            } while clock.boot < end
        }
        // Copies of answers that libcurl's and our frames have left.
        coffer_scrub_stack()
        return epoll_wait(epoll, events, capacity, timeout)
    }

    private func handle(_ event: inout epoll_event, _ work: inout Work) {
        let token = coffer_epoll_token(&event)
        if token == Self.bellToken {
            var count: UInt64 = 0
            _ = read(bell, &count, 8)
        } else {
            work.groups[UInt32(token >> 32)]?.handle(fd: Int32(truncatingIfNeeded: token), events: event.events)
        }
    }

    private func takeCommands(_ work: inout Work) {
        let commands = mailbox.withLock { mailbox in
            let commands = mailbox.commands
            mailbox.commands = []
            return commands
        }
        for command in commands {
            switch command {
            case .start(let transfer, let group):
                work.groups[group.id] = group
                group.start(transfer)
            case .cancel(let transfer, let group): group.cancel(transfer)
            case .resume(let transfer, let group): group.resume(transfer)
            case .drop(let group):
                group.close()
                work.groups[group.id] = nil
            case .stop: work.isStopped = true
            }
        }
    }

    private func runDue(_ work: inout Work) {
        let now = clock.boot
        for group in work.groups.values where group.due.map({ $0 <= now }) == true { group.run(at: now) }
    }

    /// Until the first thing that is due, or the I/O thread looks again; -1 = for ever.
    /// Rounded up, so that it is due then.
    ///
    /// - Parameter isQuiet: nothing has happened since the last time.
    private func milliseconds(_ work: inout Work, isQuiet: Bool) -> Int32 {
        work.wakes = work.due
        guard !isQuiet || work.wakes != nil else { return -1 }
        let now = clock.boot
        // Else `begin` would ring for every request, because of libcurl's own timer.
        if !isQuiet { work.wakes = work.wakes.map { min($0, now + Self.watch) } ?? now + Self.watch }
        guard let due = work.wakes, due > now else { return 0 }
        return Int32(clamping: (due.nanoseconds - now.nanoseconds + 999_999) / 1_000_000)
    }
}
