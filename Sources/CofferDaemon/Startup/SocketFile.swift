import CLinux
import Glibc

/// The socket's path while the daemon has it: made without a race, taken over
/// from a dead daemon, refused to a second live one.
///
/// A lock file beside the socket decides who may touch the path. It stays when
/// the daemon goes: removing a lock file is a race of its own.
package final class SocketFile {
    package let path: String
    /// Listening, non-blocking.
    package let listener: Int32
    private let lock: Int32
    private let inode: ino_t

    /// - Parameter mode: of the socket; 0600 lets only this uid connect.
    package init(path: String, mode: UInt32) throws(StartupError) {
        self.path = path
        try Self.makeFolder(of: path)
        lock = try Self.takeLock(path + ".lock", socket: path)
        do throws(StartupError) {
            try Self.clearStale(path)
            listener = coffer_unix_listen(path, mode_t(mode), 1_024)
            guard listener >= 0 else { throw Self.failure("cannot listen on \(path)") }
        } catch {
            close(lock)
            throw error
        }
        var status = stat()
        _ = lstat(path, &status)
        inode = status.st_ino
    }

    /// Takes the path away, if it is still ours: nobody new can connect.
    package func hide() {
        var status = stat()
        if lstat(path, &status) == 0 && status.st_ino == inode { unlink(path) }
    }

    /// Hides it, stops listening, and lets another daemon have the path.
    package func remove() {
        hide()
        close(listener)
        close(lock)
    }

    /// The folder, for its owner alone, if it is not there; its parent must be.
    private static func makeFolder(of path: String) throws(StartupError) {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return }
        let folder = String(path[..<slash])
        if mkdir(folder, 0o700) == 0 || errno == EEXIST { return try SocketRule.check(folder) }
        throw failure("cannot make the socket's folder \(folder)")
    }

    private static func takeLock(_ lockPath: String, socket: String) throws(StartupError) -> Int32 {
        let lock = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard lock >= 0 else { throw failure("cannot open \(lockPath)") }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            close(lock)
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
            close(probe)
            throw StartupError(
                "\(path) is in use: a program is listening there; stop it or choose another --socket")
        }
        guard errno == ECONNREFUSED, unlink(path) == 0 || errno == ENOENT else {
            throw failure("cannot take over the socket \(path)")
        }
    }

    private static func failure(_ what: String) -> StartupError {
        let code = errno
        return StartupError("\(what): \(String(cString: strerror(code)))", exitCode: code == ENAMETOOLONG ? 78 : 1)
    }
}
