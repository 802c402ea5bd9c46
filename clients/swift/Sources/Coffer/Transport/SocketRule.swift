import Glibc

/// Where the daemon of this user listens unless it is told otherwise; every
/// client and the daemon go by this one rule (proto/PROTOCOL.md, "Where the
/// socket is"). Pure: what it asks of the host is passed in.
struct SocketRule {
    let userID: UInt32
    /// The value of a variable; nil = it is not set.
    let variable: (String) -> String?
    /// Whether there is a real folder of this user at a path, not a link, that
    /// nobody else may write to.
    let isOwnFolder: (String) -> Bool

    /// This process on this host. Variables do not count in a setuid program.
    static var current: SocketRule {
        let userID = geteuid()
        let isTrusted = getuid() == userID && getgid() == getegid()
        return SocketRule(
            userID: userID,
            variable: { name in isTrusted ? getenv(name).map { String(cString: $0) } : nil },
            isOwnFolder: { path in
                guard let status = FileStatus(ofLink: path) else { return false }
                return status.isFolder && status.owner == userID && status.mode & 0o022 == 0
            })
    }

    var path: String {
        if let path = variable("COFFER_SOCKET"), !path.isEmpty { return path }
        if let folder = variable("XDG_RUNTIME_DIR"), folder.hasPrefix("/") {
            return "\(folder)/coffer/coffer.sock"
        }
        if userID == 0 { return "/run/coffer/coffer.sock" }
        if isOwnFolder("/run/user/\(userID)") { return "/run/user/\(userID)/coffer/coffer.sock" }
        return Self.temporaryPath(of: userID)
    }

    /// The last resort. Anybody can make a folder of this name in /tmp, so who
    /// uses it checks it.
    static func temporaryPath(of userID: UInt32) -> String { "/tmp/coffer-\(userID)/coffer.sock" }
}

/// What lstat(2) or stat(2) says, as far as it matters here.
struct FileStatus {
    let mode: UInt32
    let owner: UInt32

    var isFolder: Bool { mode & S_IFMT == S_IFDIR }
    var isSocket: Bool { mode & S_IFMT == S_IFSOCK }

    /// Of a link itself; nil, with errno, if there is nothing.
    init?(ofLink path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        (mode, owner) = (status.st_mode, status.st_uid)
    }

    /// Of what a link leads to; nil, with errno, if there is nothing.
    init?(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        (mode, owner) = (status.st_mode, status.st_uid)
    }
}
