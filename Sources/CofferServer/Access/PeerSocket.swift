internal import CLinux
package import CofferAccess
internal import Glibc

/// The daemon's end of a connection, closed when nobody has it any more.
package final class PeerSocket: Sendable {
    package let fd: Int32

    /// - Parameter fd: whose owner this becomes.
    package init(_ fd: Int32) { self.fd = fd }

    deinit { close(fd) }

    /// More than a user has: NGROUPS_MAX of limits.h.
    private static let maximumGroups = 65_536

    /// The supplementary groups of the process that connected, as of then.
    package static func groups(of fd: Int32) -> Evidence<[UInt32]> {
        var groups = [gid_t](repeating: 0, count: 64)
        var count = coffer_peer_groups(fd, &groups, Int32(groups.count))
        if count < 0, errno == ERANGE {
            groups = [gid_t](repeating: 0, count: maximumGroups)
            count = coffer_peer_groups(fd, &groups, Int32(groups.count))
        }
        return count >= 0 ? .proven(Array(groups.prefix(Int(count)))) : .unproven
    }

    /// A handle to the process that connected; nil where the kernel gives none, before Linux 6.5, or the process is gone.
    package var process: ProcessHandle? {
        let descriptor = coffer_peer_process(fd)
        return descriptor >= 0 ? ProcessHandle(descriptor) : nil
    }

    /// Nothing goes either way any more, whoever still has it.
    func shutDown() { shutdown(fd, Int32(SHUT_RDWR)) }
}

/// A process, whatever becomes of its number: a pidfd.
package final class ProcessHandle: Sendable {
    private let descriptor: Int32

    fileprivate init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Whether it has not ended: what was read of `/proc/PID` before is its own then.
    package var isAlive: Bool { coffer_process_lives(descriptor) }

    /// Whether this kernel gives handles to processes that connect.
    package static var areGiven: Bool { coffer_gives_peer_processes() }
}
