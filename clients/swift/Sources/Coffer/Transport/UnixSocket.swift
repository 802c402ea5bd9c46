import Glibc

/// A connected, non-blocking Unix stream socket; closed when it goes.
///
/// It is this process's: in a child made by fork, which has a copy of the
/// descriptor, nothing is sent or received.
struct UnixSocket: ~Copyable, Sendable {
    let descriptor: Int32
    private let process = getpid()

    /// Whether this is a child of the process that made the socket.
    var isInherited: Bool { getpid() != process }

    /// What a system call said.
    struct SystemError: Error, Equatable {
        let number: Int32

        var text: String { String(cString: strerror(number)) }
    }

    /// Takes over a descriptor.
    init(adopting descriptor: Int32) { self.descriptor = descriptor }

    /// Connects at once or not at all: a Unix socket never waits for its peer.
    ///
    /// - Throws: what connect(2) says: ENOENT or ECONNREFUSED if nobody listens,
    ///   EAGAIN if too many wait to be accepted; ENAMETOOLONG for a path over 107 bytes.
    static func connected(to path: String) throws(SystemError) -> UnixSocket {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = Glibc.socket(AF_UNIX, type | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SystemError(number: errno) }
        let socket = UnixSocket(adopting: descriptor)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path), !bytes.contains(0) else {
            throw SystemError(number: ENAMETOOLONG)
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw SystemError(number: errno) }
        return socket
    }

    deinit { _ = close(descriptor) }

    /// The uid of the process that listens; nil, with errno, if the kernel does not say.
    var peerUserID: UInt32? {
        // struct ucred: process, user, group.
        var peer: (pid_t, uid_t, gid_t) = (0, 0, 0)
        var size = socklen_t(MemoryLayout.size(ofValue: peer))
        guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 else { return nil }
        return peer.1
    }

    /// In a child made by fork: ends this process's share of the parent's
    /// connection. The descriptor stays taken, for others may still name it.
    func leaveToParent() {
        let nothing = open("/dev/null", O_RDWR | O_CLOEXEC)
        guard nothing >= 0 else { return }
        _ = dup2(nothing, descriptor)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        _ = close(nothing)
    }

    /// Sends what fits; 0 = nothing fits now.
    func send(_ bytes: UnsafeRawBufferPointer) throws(SystemError) -> Int {
        guard !isInherited else { throw SystemError(number: EBADF) }
        while true {
            let count = Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            if count >= 0 { return count }
            switch errno {
            case EINTR: continue
            case EAGAIN: return 0
            default: throw SystemError(number: errno)
            }
        }
    }

    /// Receives what is there.
    ///
    /// - Returns: how many bytes; 0 = the peer sends no more; nil = nothing is there now.
    func receive(_ memory: UnsafeMutableRawBufferPointer) throws(SystemError) -> Int? {
        guard !isInherited else { throw SystemError(number: EBADF) }
        while true {
            let count = recv(descriptor, memory.baseAddress, memory.count, 0)
            if count >= 0 { return count }
            switch errno {
            case EINTR: continue
            case EAGAIN: return nil
            default: throw SystemError(number: errno)
            }
        }
    }

    /// Ends both directions; the peer notices at once.
    func shutdown() {
        if !isInherited { _ = Glibc.shutdown(descriptor, Int32(SHUT_RDWR)) }
    }

    /// Says that nothing more is sent.
    func shutdownWriting() {
        if !isInherited { _ = Glibc.shutdown(descriptor, Int32(SHUT_WR)) }
    }
}

/// Wakes a thread that sleeps in poll(2): a pipe whose reading end it polls.
struct Waker: ~Copyable, Sendable {
    let readEnd: Int32
    private let writeEnd: Int32

    init() throws(UnixSocket.SystemError) {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        guard socketpair(AF_UNIX, type | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw UnixSocket.SystemError(number: errno)
        }
        (readEnd, writeEnd) = (ends[0], ends[1])
    }

    deinit {
        _ = close(readEnd)
        _ = close(writeEnd)
    }

    /// From any thread. A full pipe is as good as one byte.
    func wake() {
        var byte: UInt8 = 1
        _ = Glibc.send(writeEnd, &byte, 1, Int32(MSG_NOSIGNAL))
    }

    /// Takes back the wake-ups, after poll(2) has told of them.
    func drain() {
        withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { memory in
            while recv(readEnd, memory.baseAddress, memory.count, 0) == memory.count {}
        }
    }
}
