import Glibc

/// The other end of a connection to the service: never waits.
final class Client {
    private let fd: Int32
    /// All that came.
    private(set) var received: [UInt8] = []
    private let scratch: UnsafeMutableRawBufferPointer

    private init(fd: Int32, scratch: UnsafeMutableRawBufferPointer) {
        self.fd = fd
        self.scratch = scratch
    }

    deinit { close(fd) }

    /// A pair of connected sockets: one for the daemon, one for a client.
    ///
    /// - Parameter scratch: for what is received; stays the caller's.
    static func pair(scratch: UnsafeMutableRawBufferPointer) -> (server: Int32, client: Client) {
        var ends: [Int32] = [0, 0]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { fatalError("socketpair: errno \(errno)") }
        return (ends[0], Client(fd: ends[1], scratch: scratch))
    }

    enum Sent: Equatable { case bytes(Int), full, gone }

    func send(_ bytes: UnsafeRawBufferPointer) -> Sent {
        let count = Glibc.send(fd, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
        if count >= 0 { return .bytes(count) }
        return errno == EAGAIN ? .full : .gone
    }

    func endSending() { shutdown(fd, Int32(SHUT_WR)) }

    /// Takes what is there.
    func receive() {
        while true {
            let count = recv(fd, scratch.baseAddress, scratch.count, 0)
            guard count > 0 else { return }
            received.append(contentsOf: UnsafeRawBufferPointer(rebasing: scratch[..<count]))
            // A stream socket gives all it has.
            if count < scratch.count { return }
        }
    }
}
