internal import Glibc
internal import Synchronization

/// A file that holds data of ours alone, in a folder of ours alone, locked for
/// until `unlock`, or for as long as this lives.
///
/// The lock is an flock(2) on a second file beside it, which stays. It comes
/// before SQLite's own, so that a second daemon is told so before it has
/// touched anything, and so is a second vault of the same daemon on the same
/// file, which SQLite's lock would let in.
package final class DataFile: Sendable {
    /// Why the file cannot be used.
    package enum Problem: Error, Equatable, Sendable {
        /// `path` is relative, or names no file.
        case badPath
        /// A symbolic link, or something else that is no regular file or folder.
        case wrongKind(path: String, expected: String)
        case wrongOwner(path: String, owner: UInt32, expected: UInt32)
        /// Others than the owner may read or write it.
        case tooOpen(path: String, mode: UInt32, expected: UInt32)
        /// The file has a second name, through which it could be changed unlocked.
        case hardLinked(path: String)
        /// `process` is 0 if it is not known.
        case inUse(path: String, process: Int32)
        /// The kernel refused: errno.
        case system(path: String, errno: Int32)

        /// The cause is another process or a host without room, not a setting.
        package var isOfHost: Bool {
            switch self {
            case .inUse: true
            case .system(_, let errno): [ENOSPC, EDQUOT, EIO, ENOMEM, EMFILE, ENFILE].contains(errno)
            case .badPath, .wrongKind, .wrongOwner, .tooOpen, .hardLinked: false
            }
        }
    }

    package let path: String
    private let logPath: String
    private let folder: String
    /// The descriptor of the lock; nil once let go.
    private let lock: Mutex<Int32?>

    /// Takes the lock; makes the folder, not the file.
    ///
    /// - Parameter path: absolute.
    package init(path: String) throws(Problem) {
        let slash = try Self.lastSlash(path)
        try Self.makeFolder(String(path[..<slash]))
        (folder, self.path) = try Self.checked(path, slash)
        let path = self.path
        logPath = path + "-wal"
        lock = Mutex(try Self.takeLock(path + ".lock", for: path))
    }

    /// What `init` would find wrong with what is there. Makes and locks nothing.
    package static func check(path: String) throws(Problem) {
        let slash = try lastSlash(path)
        if try exists(String(path[..<slash])) { _ = try checked(path, slash) }
    }

    private static func lastSlash(_ path: String) throws(Problem) -> String.Index {
        guard path.hasPrefix("/"), !path.hasSuffix("/"), let slash = path.lastIndex(of: "/"), slash > path.startIndex
        else { throw .badPath }
        return slash
    }

    /// The folder as it really is, and the file in it.
    private static func checked(_ path: String, _ slash: String.Index) throws(Problem) -> (folder: String, path: String) {
        let folder = try resolved(String(path[..<slash]))
        try check(folder, kind: S_IFDIR, mode: 0o700)
        let path = folder + path[slash...]
        if try exists(path) { try check(path, kind: S_IFREG, mode: 0o600) }
        return (folder, path)
    }

    deinit { unlock() }

    /// Lets others have the file. Ours must be closed before.
    package func unlock() {
        guard let fd = lock.withLock({ $0.take() }) else { return }
        // Closing alone would leave the lock with a child that is being started.
        flock(fd, LOCK_UN)
        close(fd)
    }

    package var exists: Bool {
        get throws(Problem) { try Self.exists(path) }
    }

    /// Whether a file of this name with `suffix` appended is there.
    package func exists(suffix: String) throws(Problem) -> Bool {
        try Self.exists(path + suffix)
    }

    /// Makes a new, empty file of this name with `suffix` appended; one that is
    /// there is removed first.
    package func createEmpty(suffix: String) throws(Problem) -> String {
        let path = path + suffix
        try remove(suffix: suffix)
        let fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard fd >= 0 else { throw .system(path: path, errno: errno) }
        close(fd)
        return path
    }

    /// Removes the file with `suffix` appended, if it is there.
    package func remove(suffix: String) throws(Problem) {
        let path = path + suffix
        guard unlink(path) == 0 || errno == ENOENT else { throw .system(path: path, errno: errno) }
    }

    /// Gives the file with `suffix` appended its real name, durably.
    package func install(suffix: String) throws(Problem) {
        guard rename(path + suffix, path) == 0 else { throw .system(path: path, errno: errno) }
        let fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard fd >= 0 else { throw .system(path: folder, errno: errno) }
        defer { close(fd) }
        guard fsync(fd) == 0 else { throw .system(path: folder, errno: errno) }
    }

    /// mkdir -p, each new folder with mode 0700.
    private static func makeFolder(_ path: String) throws(Problem) {
        if mkdir(path, 0o700) == 0 || errno == EEXIST { return }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex else {
            throw .system(path: path, errno: errno)
        }
        try makeFolder(String(path[..<slash]))
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw .system(path: path, errno: errno)
        }
    }

    /// The folder that a link of ours or of root's leads to, as systemd makes one for a
    /// service with DynamicUser=; any other folder as it is.
    private static func resolved(_ folder: String) throws(Problem) -> String {
        var status = stat()
        guard lstat(folder, &status) == 0 else { throw .system(path: folder, errno: errno) }
        guard status.st_mode & S_IFMT == S_IFLNK, status.st_uid == 0 || status.st_uid == geteuid() else { return folder }
        guard let real = realpath(folder, nil) else { throw .system(path: folder, errno: errno) }
        defer { free(real) }
        return String(cString: real)
    }

    /// Which files the names of the database and its log lead to. What is written to a file that has
    /// lost its name is gone with the process.
    package struct Identity: Equatable, Sendable {
        fileprivate let database: Number
        fileprivate let log: Number

        fileprivate struct Number: Equatable, Sendable {
            let device: UInt64
            let inode: UInt64

            init?(_ path: String) {
                var status = stat()
                guard lstat(path, &status) == 0 else { return nil }
                device = UInt64(status.st_dev)
                inode = UInt64(status.st_ino)
            }
        }
    }

    /// Nil if one of them is missing.
    package var identity: Identity? {
        guard let database = Identity.Number(path), let log = Identity.Number(logPath) else { return nil }
        return Identity(database: database, log: log)
    }

    private static func exists(_ path: String) throws(Problem) -> Bool {
        var status = stat()
        if lstat(path, &status) == 0 { return true }
        guard errno == ENOENT else { throw .system(path: path, errno: errno) }
        return false
    }

    /// Only the name is looked at, with lstat: opening the database and closing
    /// it again would drop the POSIX locks that SQLite holds on it.
    private static func check(_ path: String, kind: mode_t, mode: mode_t) throws(Problem) {
        var status = stat()
        guard lstat(path, &status) == 0 else { throw .system(path: path, errno: errno) }
        guard status.st_mode & S_IFMT == kind else {
            throw .wrongKind(path: path, expected: kind == S_IFDIR ? "folder" : "regular file")
        }
        guard status.st_uid == geteuid() else {
            throw .wrongOwner(path: path, owner: status.st_uid, expected: geteuid())
        }
        guard status.st_mode & 0o077 == 0 else {
            throw .tooOpen(path: path, mode: status.st_mode & 0o7777, expected: mode)
        }
        guard kind == S_IFDIR || status.st_nlink == 1 else { throw .hardLinked(path: path) }
    }

    private static func takeLock(_ path: String, for data: String) throws(Problem) -> Int32 {
        let fd = open(path, O_CREAT | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard fd >= 0 else {
            if errno == ELOOP { throw .wrongKind(path: path, expected: "regular file") }
            throw .system(path: path, errno: errno)
        }
        guard flock(fd, LOCK_EX | LOCK_NB) == 0 else {
            let cause = errno
            defer { close(fd) }
            guard cause == EWOULDBLOCK else { throw .system(path: path, errno: cause) }
            throw .inUse(path: data, process: readProcess(fd))
        }
        // For the message that a second daemon prints; nothing depends on it.
        let process = Array("\(getpid())\n".utf8)
        _ = ftruncate(fd, 0)
        _ = pwrite(fd, process, process.count, 0)
        return fd
    }

    private static func readProcess(_ fd: Int32) -> Int32 {
        var text = [UInt8](repeating: 0, count: 16)
        let count = pread(fd, &text, text.count, 0)
        guard count > 0 else { return 0 }
        return Int32(String(decoding: text[..<count].prefix { $0 != 10 }, as: UTF8.self)) ?? 0
    }
}
