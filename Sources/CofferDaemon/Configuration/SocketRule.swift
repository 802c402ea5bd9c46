import Glibc

/// Where the daemon of a user listens unless it is told otherwise. Every client
/// goes by the same rule: proto/PROTOCOL.md, "Where the socket is".
package struct SocketRule: Sendable {
    let userID: UInt32
    /// Whether there is a real folder of this user at a path, not a link, that
    /// nobody else may write to.
    let isOwnFolder: @Sendable (String) -> Bool

    package init(userID: UInt32, isOwnFolder: @escaping @Sendable (String) -> Bool) {
        self.userID = userID
        self.isOwnFolder = isOwnFolder
    }

    /// This process's, on this host.
    package static var current: SocketRule {
        let userID = geteuid()
        return SocketRule(userID: userID) { folder in
            var status = stat()
            return lstat(folder, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
                && status.st_uid == userID && status.st_mode & 0o022 == 0
        }
    }

    /// An empty variable counts as unset, and so does a relative XDG_RUNTIME_DIR.
    package func path(_ environment: [String: String]) -> String {
        if let path = environment["COFFER_SOCKET"], !path.isEmpty { return path }
        if let folder = environment["XDG_RUNTIME_DIR"], folder.hasPrefix("/") { return folder + "/coffer/coffer.sock" }
        if userID == 0 { return "/run/coffer/coffer.sock" }
        if isOwnFolder("/run/user/\(userID)") { return "/run/user/\(userID)/coffer/coffer.sock" }
        return Self.temporaryFolder(of: userID) + "/coffer.sock"
    }

    static func temporaryFolder(of userID: UInt32) -> String { "/tmp/coffer-\(userID)" }

    /// The folder that the rule ends with, which anybody could have made before.
    ///
    /// - Throws: if a folder of this name is not this user's alone.
    static func check(_ folder: String) throws(StartupError) {
        let userID = geteuid()
        guard folder == temporaryFolder(of: userID) else { return }
        var status = stat()
        guard lstat(folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == userID,
            status.st_mode & 0o077 == 0
        else {
            throw StartupError(
                "\(folder) must be a folder of uid \(userID) with mode 0700, not a link; remove it, or set COFFER_SOCKET",
                exitCode: StartupError.configurationExitCode)
        }
    }
}
