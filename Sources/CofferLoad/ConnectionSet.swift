internal import CLinux
internal import Glibc

/// The connections of a run, and the one epoll that watches them.
struct ConnectionSet: ~Copyable {
    private static let eventCapacity = 256

    private let epoll: Int32
    private let connections: UnsafeMutablePointer<Connection>
    private let events: UnsafeMutablePointer<epoll_event>
    private(set) var count = 0
    /// Sockets that send nothing.
    private var idle: [Int32] = []

    /// Opens all that the workload wants.
    init(socket: String, workload: Workload, wire: some Wire) throws(LoadError) {
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        connections = .allocate(capacity: workload.connections)
        events = .allocate(capacity: Self.eventCapacity)
        guard epoll >= 0 else { throw .system("cannot make an epoll") }
        try open(socket, workload, wire)
    }

    deinit {
        connections.deinitialize(count: count)
        connections.deallocate()
        events.deallocate()
        for descriptor in idle { close(descriptor) }
        close(epoll)
    }

    private mutating func open(_ socket: String, _ workload: Workload, _ wire: some Wire) throws(LoadError) {
        for _ in 0..<workload.idleConnections { idle.append(try openSocket(socket)) }
        let largestAnswer = FrameHeader.bytes + workload.valueBytes + FrameHeader.answerOverhead
        for index in 0..<workload.connections {
            let connection = try Connection(
                socket: socket, depth: workload.depth, largestRequest: wire.largestRequest,
                incomingCapacity: max(largestAnswer, min(workload.depth * largestAnswer, 256 << 10)))
            let descriptor = connection.descriptor
            try wire.greet(descriptor)
            (connections + index).initialize(to: connection)
            count += 1
            guard coffer_epoll_add(epoll, descriptor, EPOLLIN.rawValue, UInt64(index)) == 0 else {
                throw .system("cannot watch a connection")
            }
        }
    }

    @inline(__always)
    subscript(index: Int) -> UnsafeMutablePointer<Connection> { connections + index }

    /// Waits until something is to be read, or can be sent.
    ///
    /// - Returns: how many connections that is; `ready` says which.
    @inline(__always)
    func wait(milliseconds: Int32) throws(LoadError) -> Int {
        let ready = epoll_wait(epoll, events, Int32(Self.eventCapacity), milliseconds)
        if ready < 0 && errno != EINTR { throw .system("cannot wait for answers") }
        return Int(ready)
    }

    /// The connection of the n-th event of the last `wait`.
    @inline(__always)
    func ready(_ event: Int) -> Int { Int(coffer_epoll_token(events + event)) }

    /// Sends what waits. What the socket does not take now goes when it can.
    @inline(__always)
    func flush(_ index: Int) throws(LoadError) {
        guard connections[index].hasUnsent else { return }
        try connections[index].send()
        let events =
            connections[index].hasUnsent
            ? EPOLLIN.rawValue | EPOLLOUT.rawValue : EPOLLIN.rawValue
        guard connections[index].watched != events else { return }
        connections[index].watched = events
        guard coffer_epoll_modify(epoll, connections[index].descriptor, events, UInt64(index)) == 0
        else { throw .system("cannot watch a connection") }
    }
}

/// How long no answer at all may come.
let patienceMilliseconds: Int32 = 10_000
