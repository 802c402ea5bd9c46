internal import CLinux
internal import CofferCore
internal import Glibc
internal import Synchronization

/// The I/O thread's loop: every handle of libcurl's is used here only.
final class EngineLoop: @unchecked Sendable {
    // `mailbox` is locked; `groups` belongs to the I/O thread; the rest is constant.
    enum Command: Sendable {
        case start(Transfer, ConnectionGroup)
        case cancel(Transfer, ConnectionGroup)
        case drop(ConnectionGroup)
        case stop
    }

    private struct Mailbox {
        var commands: [Command] = []
        var isClosed = false
        var lastGroup: UInt32 = 0
    }

    private let clock: any Clock
    private let epoll: Int32
    private let bell: Int32
    private let mailbox = Mutex(Mailbox())
    private var groups: [UInt32: ConnectionGroup] = [:]

    private static let bellToken: UInt64 = .max

    init(clock: any Clock) throws(Failure) {
        self.clock = clock
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        bell = coffer_eventfd()
        guard epoll >= 0, bell >= 0, coffer_epoll_add(epoll, bell, EPOLLIN.rawValue, Self.bellToken) == 0 else {
            throw .internalError("epoll or eventfd failed with errno \(errno)")
        }
    }

    deinit {
        Glibc.close(epoll)
        Glibc.close(bell)
    }

    func makeGroup(maximumConnections: Int) -> ConnectionGroup {
        let id = mailbox.withLock { mailbox in
            mailbox.lastGroup += 1
            return mailbox.lastGroup
        }
        return ConnectionGroup(id: id, maximumConnections: maximumConnections, epoll: epoll, clock: clock)
    }

    func post(_ command: Command) {
        let (isClosed, isFirst) = mailbox.withLock { mailbox in
            if mailbox.isClosed { return (true, false) }
            mailbox.commands.append(command)
            if case .stop = command { mailbox.isClosed = true }
            return (false, mailbox.commands.count == 1)
        }
        if isClosed, case .start(let transfer, _) = command { transfer.fail(.closed) }
        if isFirst { ring() }
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
        var isStopped = false
        while !isStopped {
            // Copies of answers that libcurl's and our frames have left.
            coffer_forget_traces()
            let count = epoll_wait(epoll, events, capacity, milliseconds())
            for index in 0..<max(0, Int(count)) { handle(&events[index]) }
            isStopped = takeCommands()
            let now = clock.boot
            for group in groups.values where group.due.map({ $0 <= now }) == true { group.run(at: now) }
        }
        for group in groups.values { group.close() }
        groups = [:]
    }

    private func handle(_ event: inout epoll_event) {
        let token = coffer_epoll_token(&event)
        if token == Self.bellToken {
            var count: UInt64 = 0
            _ = read(bell, &count, 8)
        } else {
            groups[UInt32(token >> 32)]?.handle(fd: Int32(truncatingIfNeeded: token), events: event.events)
        }
    }

    private func takeCommands() -> Bool {
        let commands = mailbox.withLock { mailbox in
            let commands = mailbox.commands
            mailbox.commands = []
            return commands
        }
        var isStopped = false
        for command in commands {
            switch command {
            case .start(let transfer, let group):
                groups[group.id] = group
                group.start(transfer)
            case .cancel(let transfer, let group): group.cancel(transfer)
            case .drop(let group):
                group.close()
                groups[group.id] = nil
            case .stop: isStopped = true
            }
        }
        return isStopped
    }

    /// Until the first thing that is due; -1 = for ever. Rounded up, so that it is due then.
    private func milliseconds() -> Int32 {
        guard let due = groups.values.lazy.compactMap(\.due).min() else { return -1 }
        let now = clock.boot
        guard due > now else { return 0 }
        return Int32(clamping: (due.nanoseconds - now.nanoseconds + 999_999) / 1_000_000)
    }
}
