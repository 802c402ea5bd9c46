internal import CCurl
internal import Glibc

/// Closes the sockets of a group's connections, and knows which of them has a request under way.
///
/// The kernel goes on sending what was queued when a socket is closed, for minutes if the network loses it: a write that was
/// given up would arrive when it is back, and undo what was written since over another connection. So a connection whose
/// request is given up is reset. Other connections end as TCP and TLS want it.
final class ConnectionSockets: @unchecked Sendable {
    // Belongs to whoever holds the loop's `work`.
    private var users: [curl_socket_t: Transfer] = [:]

    /// - Parameter fd: of a connection, or of a thread that looks a name up.
    func note(_ fd: curl_socket_t, isOf transfer: Transfer) {
        guard users.updateValue(transfer, forKey: fd) !== transfer else { return }
        transfer.sockets.append(fd)
    }

    /// The transfer has no more to do with its connection.
    func release(_ transfer: Transfer) {
        for fd in transfer.sockets where users[fd] === transfer { users[fd] = nil }
        transfer.sockets = []
    }

    /// As close(2); libcurl calls it for each connection, whatever ends it.
    func close(_ fd: curl_socket_t) -> Int32 {
        if users.removeValue(forKey: fd)?.mayArriveLater == true { coffer_socket_forget(fd) }
        return Glibc.close(fd)
    }

    static func from(_ context: UnsafeMutableRawPointer) -> ConnectionSockets {
        Unmanaged<ConnectionSockets>.fromOpaque(context).takeUnretainedValue()
    }
}
