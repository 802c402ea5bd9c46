import CLinux
import Glibc

/// A listening socket that systemd, or another service manager, made and handed over by the
/// rules of sd_listen_fds(3). Its path, mode and folder are the service manager's.
final class HandedOverSocket: Listener {
    let descriptor: Int32
    let path: String
    let remedy = "restart its socket unit"
    let outlivesDaemon = true
    /// The service manager's name for it; nil if it gave none.
    let name: String?
    /// What was at the path when it was handed over; nil for a socket without a file.
    private let made: FileIdentity?

    /// What the variables say was handed over: one socket.
    struct Offer: Equatable {
        /// The service manager's name for it; nil if it gave none.
        let name: String?
    }

    /// SD_LISTEN_FDS_START.
    static let firstDescriptor: Int32 = 3
    private static let variables = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"]

    /// Takes the variables out of the environment, so that no child takes the socket for its own,
    /// and the socket that they name, if one is for this process. Call it before there are other threads.
    ///
    /// - Throws: what was handed over instead of one listening Unix stream socket.
    static func take() throws(StartupError) -> HandedOverSocket? {
        var environment: [String: String] = [:]
        for name in variables {
            environment[name] = getenv(name).map { String(cString: $0) }
            unsetenv(name)
        }
        guard let offer = try offer(in: environment, to: getpid()) else { return nil }
        return try HandedOverSocket(firstDescriptor, name: offer.name)
    }

    /// What the variables offer to the process of this id; nil if that is nothing.
    ///
    /// - Throws: if it is not exactly one socket, or a variable is malformed.
    static func offer(in environment: [String: String], to pid: Int32) throws(StartupError) -> Offer? {
        guard let addressee = environment["LISTEN_PID"] else { return nil }
        guard let addressee = Int32(addressee), addressee > 0 else {
            throw refusal("LISTEN_PID: expected the id of a process")
        }
        // A parent's, meant for another of its children.
        guard addressee == pid, let text = environment["LISTEN_FDS"] else { return nil }
        guard let count = Int32(text), count > 0 else {
            throw refusal("LISTEN_FDS: expected the number of sockets that were handed over")
        }
        let names = environment["LISTEN_FDNAMES"].map {
            $0.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        }
        guard count == 1 else {
            let list = names.map { " (\($0.joined(separator: ", ")))" } ?? ""
            throw refusal("LISTEN_FDS: expected one socket, got \(count)\(list); keep one ListenStream= in the socket unit")
        }
        return Offer(name: names?.count == 1 ? names?.first : nil)
    }

    /// - Parameter name: the service manager's; nil if it gave none.
    /// - Throws: if the descriptor is no listening Unix stream socket.
    init(_ descriptor: Int32, name: String? = nil) throws(StartupError) {
        let kind = coffer_is_unix_listener(descriptor)
        guard kind == 1 else {
            let found = kind == 0 ? "another kind of socket" : String(cString: strerror(errno))
            throw Self.refusal(
                "descriptor \(descriptor), which was handed over (LISTEN_FDS): expected a listening Unix stream socket, "
                    + "got: \(found); set ListenStream= to a path and Accept=no in the socket unit")
        }
        guard coffer_hand_over(descriptor) == 0 else {
            throw StartupError("descriptor \(descriptor), which was handed over: \(String(cString: strerror(errno)))")
        }
        self.descriptor = descriptor
        self.name = name
        var bytes = [CChar](repeating: 0, count: Int(COFFER_UNIX_PATH_BYTES))
        let isBound = coffer_unix_path(descriptor, &bytes) == 0
        path = isBound ? String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) : ""
        made = path.hasPrefix("/") ? FileIdentity(of: path) : nil
    }

    var notice: String? {
        "listening on the socket\(name.map { " \($0)" } ?? "") that was handed over; the settings socket and socket_mode have no effect"
    }

    /// True for a socket without a file: nobody can remove or replace it.
    var isInPlace: Bool { made.map { FileIdentity(of: path) == $0 } ?? true }

    /// Does nothing: clients that connect now are the next daemon's.
    func hide() {}

    func close() { Glibc.close(descriptor) }

    private static func refusal(_ message: String) -> StartupError {
        StartupError(message, exitCode: StartupError.configurationExitCode)
    }
}
