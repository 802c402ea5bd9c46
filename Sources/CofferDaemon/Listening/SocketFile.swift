import CLinux
import Glibc

/// The socket's path while the daemon has it: made without a race, taken over
/// from a dead daemon, refused to a second live one.
///
/// A lock file beside the socket decides who may touch the path. It stays when
/// the daemon goes: removing a lock file is a race of its own.
final class SocketFile: Listener {
    let path: String
    let descriptor: Int32
    let remedy = "restart cofferd"
    let notice: String? = nil
    let outlivesDaemon = false
    private let lock: Int32
    private let made: FileIdentity

    /// - Parameters:
    ///   - mode: of the socket; 0600 lets only this uid connect.
    ///   - group: of the socket, and of its folder if that is made; nil = the daemon's own.
    /// - Throws: what is in the way at the path.
    init(path: String, mode: UInt32, group: UInt32? = nil) throws(StartupError) {
        self.path = path
        try Self.makeFolder(of: path, group)
        lock = try Self.takeLock(path + ".lock", socket: path)
        do throws(StartupError) {
            try Self.clearStale(path)
            // Nobody of the daemon's own group can connect meanwhile.
            descriptor = coffer_unix_listen(path, mode_t(group == nil ? mode : 0o600), 1_024)
            guard descriptor >= 0 else { throw Self.failure("cannot listen on \(path)") }
            do throws(StartupError) {
                if let group { try Self.share(path, mode, group) }
                made = try Self.checked(path, mode)
            } catch {
                Glibc.close(descriptor)
                throw error
            }
        } catch {
            Glibc.close(lock)
            throw error
        }
    }

    private static func share(_ path: String, _ mode: UInt32, _ group: UInt32) throws(StartupError) {
        try SocketGroup.give(path, to: group)
        guard chmod(path, mode_t(mode)) == 0 else { throw failure("cannot set the mode of the socket \(path)") }
    }

    /// What stands at the path now has to be what was made there.
    private static func checked(_ path: String, _ mode: UInt32) throws(StartupError) -> FileIdentity {
        var status = stat()
        guard lstat(path, &status) == 0 else { throw failure("cannot examine the socket \(path)") }
        guard status.st_mode & S_IFMT == S_IFSOCK, status.st_uid == geteuid(), status.st_mode & 0o777 == mode else {
            throw StartupError(
                "\(path) was replaced or its mode changed while the socket was made; expected a socket of uid "
                    + "\(geteuid()) with mode 0\(String(mode, radix: 8)); check who can write to the folder, and its ACLs",
                exitCode: StartupError.configurationExitCode)
        }
        return FileIdentity(status)
    }

    /// The path leads to our socket.
    var isInPlace: Bool { FileIdentity(of: path) == made }

    /// Takes the path away, if it is still ours: nobody new can connect. One that cannot be
    /// removed leads nowhere once `close` was called, and the next start takes it over.
    func hide() {
        if isInPlace { unlink(path) }
    }

    /// Hides it, stops listening, and lets another daemon have the path.
    func close() {
        hide()
        Glibc.close(descriptor)
        Glibc.close(lock)
    }

    /// The folder, for its owner alone or for the group too, if it is not there; its parent must be.
    private static func makeFolder(of path: String, _ group: UInt32?) throws(StartupError) {
        guard let slash = path.lastIndex(of: "/") else { return try checkFolder(".") }
        let folder = slash == path.startIndex ? "/" : String(path[..<slash])
        guard group == nil || folder != SocketRule.temporaryFolder(of: geteuid()) else {
            throw StartupError(
                "socket_group: nobody else may enter \(folder), where the socket has its default; set socket (COFFER_SOCKET) to a path in another folder",
                exitCode: StartupError.configurationExitCode)
        }
        let isMade = mkdir(folder, 0o700) == 0
        guard isMade || errno == EEXIST else {
            let advice = errno == ENOENT ? ": make the folder that it is in first" : ""
            throw failure("cannot make the socket's folder \(folder)", advice)
        }
        if isMade, let group {
            try SocketGroup.give(folder, to: group)
            guard chmod(folder, 0o750) == 0 else { throw failure("cannot set the mode of the socket's folder \(folder)") }
        }
        try SocketRule.check(folder)
        try checkFolder(folder)
    }

    /// Nobody else may put another socket in the place of ours.
    private static func checkFolder(_ folder: String) throws(StartupError) {
        var status = stat()
        guard stat(folder, &status) == 0 else { throw failure("cannot examine the socket's folder \(folder)") }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw StartupError(
                "\(folder), the socket's folder, is no folder; choose another --socket",
                exitCode: StartupError.configurationExitCode)
        }
        func refuse(_ why: String) -> StartupError {
            StartupError(
                "the socket's folder \(folder) \(why), so that others can replace the socket; choose another --socket, "
                    + "or make the folder its owner's alone",
                exitCode: StartupError.configurationExitCode)
        }
        guard status.st_uid == geteuid() || status.st_uid == 0 else {
            throw refuse("belongs to uid \(status.st_uid), expected \(geteuid()) or 0")
        }
        guard status.st_mode & 0o022 == 0 || status.st_mode & S_ISVTX != 0 else {
            throw refuse("has mode 0\(String(status.st_mode & 0o7777, radix: 8))")
        }
    }

    private static func takeLock(_ lockPath: String, socket: String) throws(StartupError) -> Int32 {
        let lock = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
        guard lock >= 0 else { throw failure("cannot open \(lockPath)") }
        var status = stat()
        guard fstat(lock, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_uid == geteuid() else {
            Glibc.close(lock)
            throw StartupError(
                "\(lockPath) is no file of uid \(geteuid()); remove it or choose another --socket",
                exitCode: StartupError.configurationExitCode)
        }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            Glibc.close(lock)
            throw StartupError(
                "\(socket) is in use: another cofferd is running there; stop it or choose another --socket")
        }
        return lock
    }

    /// Removes what a dead daemon left; leaves alone what is not a socket, or is alive.
    private static func clearStale(_ path: String) throws(StartupError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw StartupError(
                "\(path) is there and is not a socket; move it away or choose another --socket",
                exitCode: StartupError.configurationExitCode)
        }
        let probe = coffer_unix_connect(path)
        if probe >= 0 {
            Glibc.close(probe)
            throw StartupError(
                "\(path) is in use: a program is listening there; stop it or choose another --socket")
        }
        guard errno == ECONNREFUSED, unlink(path) == 0 || errno == ENOENT else {
            throw failure("cannot take over the socket \(path)")
        }
    }

    /// Reads errno.
    private static func failure(_ what: String, _ advice: String = "") -> StartupError {
        let code = errno
        return StartupError("\(what): \(String(cString: strerror(code)))\(advice)", exitCode: code == ENAMETOOLONG ? 78 : 1)
    }
}
