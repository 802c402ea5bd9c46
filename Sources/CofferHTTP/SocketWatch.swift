internal import CLinux
internal import Glibc

/// The sockets that the I/O thread's epoll looks at.
///
/// One that libcurl wants no more stays there until something happens on it: mostly
/// it is wanted again, with the next request. The kernel takes out what is closed.
final class SocketWatch: @unchecked Sendable {
    // `sockets` belongs to whoever holds the loop's `work`.
    private struct Socket {
        let token: UInt64
        var isWanted: Bool
    }

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

    /// Whether an event is for who has this token; if nobody wants the socket, it is
    /// looked at no more.
    func takes(_ fd: Int32, token: UInt64) -> Bool {
        guard let socket = sockets[fd], socket.token == token else { return false }
        if socket.isWanted { return true }
        sockets[fd] = nil
        _ = coffer_epoll_remove(epoll, fd)
        return false
    }
}
