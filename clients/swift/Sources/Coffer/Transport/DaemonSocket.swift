import Glibc

/// The socket that a configuration names. Before a byte is sent it is known to
/// be the daemon's: file and listening process belong to somebody who is trusted.
struct DaemonSocket {
    let path: String
    /// The uids whose daemon is trusted, first to last as a text names them.
    private let trusted: [(id: UInt32, name: String)]

    /// - Throws: INVALID_ARGUMENT if the variable holds no uid, or the path does not fit.
    init(_ configuration: CofferConfiguration) throws(ConnectFailure) {
        path = configuration.socketPath
        let own = geteuid()
        var trusted: [(id: UInt32, name: String)] = [(0, "root")]
        if own != 0 { trusted.append((own, "this process")) }
        if let told = configuration.serverUserID {
            if told != 0 && told != own { trusted.append((told, "serverUserID")) }
        } else if let text = configuration.serverUserVariable {
            let isNumber = (1...10).contains(text.utf8.count) && text.utf8.allSatisfy { (48...57).contains($0) }
            guard isNumber, let told = UInt32(text), told != .max else {
                throw .hopeless(.badServerUser(text))
            }
            if told != 0 && told != own { trusted.append((told, "COFFER_SERVER_UID")) }
        }
        self.trusted = trusted
        guard (1...107).contains(path.utf8.count), !path.utf8.contains(0) else {
            throw .hopeless(.badSocketPath(path.utf8.count))
        }
    }

    /// Connects at once or not at all.
    func connect() throws(ConnectFailure) -> UnixSocket {
        try checkTemporaryFolder()
        try checkFile()
        let socket: UnixSocket
        do throws(UnixSocket.SystemError) {
            socket = try UnixSocket.connected(to: path)
        } catch {
            throw failure(error.number)
        }
        guard let peer = socket.peerUserID else { throw failure(errno) }
        guard isTrusted(peer) else {
            throw .hopeless(.foreignDaemon("the program that listens at \(path) runs as uid \(peer)", expected, peer))
        }
        return socket
    }

    /// Anybody could have made the folder that the rule ends with.
    private func checkTemporaryFolder() throws(ConnectFailure) {
        let own = geteuid()
        guard path == SocketRule.temporaryPath(of: own) else { return }
        let folder = String(path.dropLast("/coffer.sock".utf8.count))
        guard let status = FileStatus(ofLink: folder) else { throw failure(errno) }
        guard status.isFolder, status.owner == own, status.mode & 0o077 == 0 else {
            throw .hopeless(.foreignFolder(folder, owner: own))
        }
    }

    private func checkFile() throws(ConnectFailure) {
        guard let status = FileStatus(path) else { throw failure(errno) }
        guard status.isSocket else { throw failure(ENOTSOCK) }
        guard isTrusted(status.owner) else {
            throw .hopeless(.foreignDaemon("the socket \(path) belongs to uid \(status.owner)", expected, status.owner))
        }
    }

    private func isTrusted(_ userID: UInt32) -> Bool { trusted.contains { $0.id == userID } }

    /// "0 (root), 1000 (this process) or 7 (COFFER_SERVER_UID)"
    private var expected: String {
        let names = trusted.map { "\($0.id) (\($0.name))" }
        guard names.count > 1 else { return names[0] }
        return names.dropLast().joined(separator: ", ") + " or " + names[names.count - 1]
    }

    private func failure(_ number: Int32) -> ConnectFailure {
        switch number {
        case ENOENT, ENOTDIR, ECONNREFUSED: ConnectFailure(kind: .absent, error: .notRunning(path))
        case EAGAIN: ConnectFailure(kind: .busy, error: .tooManyConnecting(path))
        case ENOTSOCK, EPROTOTYPE: .hopeless(.notASocket(path))
        case EACCES, EPERM: .hopeless(.socketDenied(path, geteuid()))
        default: .hopeless(.cannotConnect(path, UnixSocket.SystemError(number: number)))
        }
    }
}

/// Why there is no connection.
struct ConnectFailure: Error {
    let kind: Reconnector.Failure
    /// What the caller gets once waiting is over.
    let error: CofferError

    static func hopeless(_ error: CofferError) -> ConnectFailure { ConnectFailure(kind: .hopeless, error: error) }
}

/// Nobody there, or not who should be. libcoffer says the same, word for word.
extension CofferError {
    static func notRunning(_ path: String) -> CofferError {
        CofferError(
            .unavailable, .unspecified, "cofferd is not running at \(path); start it, or set COFFER_SOCKET",
            isRetryable: true)
    }

    static func tooManyConnecting(_ path: String) -> CofferError {
        CofferError(
            .unavailable, .unspecified,
            "cofferd at \(path) has too many connections waiting; try again, or allow the call more time",
            isRetryable: true)
    }

    static func notASocket(_ path: String) -> CofferError {
        CofferError(
            .failedPrecondition, .unspecified,
            "\(path) is not a socket of cofferd; move it away, or set COFFER_SOCKET")
    }

    static func socketDenied(_ path: String, _ userID: UInt32) -> CofferError {
        CofferError(
            .permissionDenied, .denied,
            "uid \(userID) may not use the socket \(path); check its mode and its folder's, or set COFFER_SOCKET")
    }

    static func badSocketPath(_ count: Int) -> CofferError {
        CofferError(
            .invalidArgument, .badField,
            "the path of the socket has \(count) bytes, expected 1 to 107; set COFFER_SOCKET to another one")
    }

    static func badServerUser(_ text: String) -> CofferError {
        CofferError(
            .invalidArgument, .badField,
            "COFFER_SERVER_UID: expected the number of a uid, got \(text.utf8.count) bytes that are none; correct or unset it")
    }

    static func foreignDaemon(_ found: String, _ expected: String, _ userID: UInt32) -> CofferError {
        CofferError(
            .failedPrecondition, .unspecified,
            "\(found), expected \(expected); if that uid is trusted with credentials, set COFFER_SERVER_UID=\(userID)")
    }

    static func foreignFolder(_ folder: String, owner: UInt32) -> CofferError {
        CofferError(
            .failedPrecondition, .unspecified,
            "\(folder) must be a folder of uid \(owner) with mode 0700, not a link; remove it, or set COFFER_SOCKET")
    }

    static func cannotConnect(_ path: String, _ cause: UnixSocket.SystemError) -> CofferError {
        CofferError(
            .unavailable, .unspecified,
            "cannot connect to cofferd at \(path): \(cause.text); check the host's limits, or set COFFER_SOCKET",
            isRetryable: true)
    }
}
