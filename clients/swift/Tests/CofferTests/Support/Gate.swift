import Glibc
import Synchronization

@testable import Coffer

/// Holds a script back until the test opens it, for ten seconds at most.
final class Gate: Sendable {
    private let isOpen = Mutex(false)

    func open() { isOpen.withLock { $0 = true } }

    func wait() {
        for _ in 0..<10_000 where !isOpen.withLock(\.self) { usleep(1_000) }
    }
}

/// A socket whose backlog is full: connecting to it says EAGAIN.
final class BusyListener {
    let path = FakeDaemon.freshPath()
    private let listener: Int32
    private var waiting: [Int32] = []

    init() throws {
        listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        try withUnsafePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                let length = socklen_t(MemoryLayout<sockaddr_un>.size)
                guard bind(listener, address, length) == 0, listen(listener, 0) == 0 else {
                    throw UnixSocket.SystemError(number: errno)
                }
                while true {
                    let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
                    waiting.append(socket(AF_UNIX, type, 0))
                    if connect(waiting.last!, address, length) != 0 { break }
                }
                guard errno == EAGAIN else { throw UnixSocket.SystemError(number: errno) }
            }
        }
    }

    deinit {
        for descriptor in waiting + [listener] { close(descriptor) }
        unlink(path)
    }
}
