import CofferProcess
import Glibc

/// The group that a socket is given to.
enum SocketGroup {
    /// - Parameter text: a name or a number; empty = the daemon's own group.
    /// - Returns: nil for the daemon's own.
    static func number(_ text: String) throws(StartupError) -> UInt32? {
        if text.isEmpty { return nil }
        guard let number = UInt32(text) ?? (try? UserDatabase.gid(ofGroup: text)), number != .max else {
            throw StartupError(
                "socket_group: there is no group \(text); make it (groupadd), or name another one",
                exitCode: StartupError.configurationExitCode)
        }
        return number
    }

    /// Gives it a file that was just made, in a folder that nobody else can write to.
    ///
    /// - Throws: what the system says.
    static func give(_ path: String, to group: UInt32) throws(StartupError) {
        guard lchown(path, uid_t.max, group) == 0 else {
            let why = String(cString: strerror(errno))
            throw StartupError(
                "cannot give \(path) to the group \(group) (socket_group): \(why); the daemon's user has to be a member of it",
                exitCode: StartupError.configurationExitCode)
        }
    }
}
