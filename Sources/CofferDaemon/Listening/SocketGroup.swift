import CofferProcess
import Glibc

/// The group that a socket is given to.
enum SocketGroup {
    /// - Parameters:
    ///   - text: a name or a number; empty = the daemon's own group.
    ///   - gid: of a name; passed in by tests.
    /// - Returns: nil for the daemon's own.
    static func number(
        _ text: String, gid: (String) throws(StreamFailure) -> UInt32? = UserDatabase.gid
    ) throws(StartupError) -> UInt32? {
        if text.isEmpty { return nil }
        let found: UInt32?
        do throws(StreamFailure) {
            if let number = UInt32(text) { found = number } else { found = try gid(text) }
        } catch {
            throw StartupError(
                "socket_group: whether there is a group \(text) is not known: \(error); start again when it answers, or name the group by its number")
        }
        guard let number = found, number != .max else {
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
