internal import CLinux
internal import Glibc

/// The sockets that the I/O thread's epoll looks at.
///
/// One that libcurl wants no more stays there, for it is wanted again with the next
/// request: meanwhile only its end counts. The kernel takes out what is closed.
final class SocketWatch: @unchecked Sendable {
    // `sockets` belongs to whoever holds the loop's `work`.
    private struct Socket {
        let token: UInt64
        var isWanted: Bool
    }

    /// At most so many bytes of one connection: more than a farewell has.
    private static let discarded = 1 << 20

    private let epoll: Int32
    private var sockets: [Int32: Socket] = [:]

    init(epoll: Int32) { self.epoll = epoll }

    /// - Parameter token: of who wants it; comes back with its events.
    func want(_ fd: Int32, _ events: UInt32, token: UInt64) {
        let isKnown = sockets.updateValue(Socket(token: token, isWanted: true), forKey: fd) != nil
        // What is known may have been closed, and this be another of its number.
        if isKnown, coffer_epoll_modify(epoll, fd, events, token) == 0 { return }
        _ = coffer_epoll_add(epoll, fd, events, token)
    }

    func leave(_ fd: Int32) { sockets[fd]?.isWanted = false }

    /// Whether this event is for who has this token; one on a socket that nobody wants
    /// is not.
    func takes(_ fd: Int32, _ events: UInt32, token: UInt64) -> Bool {
        guard let socket = sockets[fd], socket.token == token else { return false }
        if socket.isWanted { return true }
        if events & (EPOLLRDHUP.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) == 0 {
            // What a server says to an idle connection is mostly that it closes it.
            _ = coffer_epoll_modify(epoll, fd, EPOLLRDHUP.rawValue, token)
        } else {
            sockets[fd] = nil
            _ = coffer_epoll_remove(epoll, fd)
            discardInput(fd)
        }
        return false
    }

    /// Of a socket that has ended. libcurl takes a connection for alive as long as there
    /// is a byte to read, TLS's own word of farewell included, and would send the next
    /// request into the void.
    private func discardInput(_ fd: Int32) {
        withUnsafeTemporaryAllocation(byteCount: 4_096, alignment: 1) { place in
            var left = Self.discarded
            var count = 1
            while left > 0 && count > 0 {
                count = recv(fd, place.baseAddress, place.count, Int32(MSG_DONTWAIT))
                left -= count
            }
        }
    }
}
