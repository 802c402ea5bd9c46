import Glibc

/// How a client finds its daemon and how long it waits.
public struct CofferConfiguration: Sendable {
    /// The largest frame of the protocol: 1 MiB + 64 KiB, header included.
    public static let largestFrameBytes = (1 << 20) + (64 << 10)

    /// The daemon's socket: at most 107 bytes.
    public var socketPath: String
    /// How long a call may take if it does not say otherwise. The daemon is told,
    /// and has a limit of its own: 60 s unless configured.
    public var timeout: Duration = .seconds(10)
    /// How long after losing the daemon calls wait for it to come back, within
    /// their own time. A daemon that was never there fails a call at once.
    public var reconnectWindow: Duration = .seconds(2)
    /// Frames over this are neither sent nor taken, in bytes.
    public var maximumFrameBytes = CofferConfiguration.largestFrameBytes
    /// Bytes that may wait to be sent before further calls are refused with
    /// RESOURCE_EXHAUSTED.
    public var maximumQueuedBytes = 16 << 20

    /// - Parameter socketPath: nil = looked up as `defaultSocketPath()` says.
    public init(socketPath: String? = nil) {
        self.socketPath = socketPath ?? Self.defaultSocketPath()
    }

    /// `$COFFER_SOCKET`, else `$XDG_RUNTIME_DIR/coffer/coffer.sock`, else
    /// `/run/coffer/coffer.sock`. An empty variable counts as unset.
    public static func defaultSocketPath() -> String {
        socketPath { name in getenv(name).map { String(cString: $0) } }
    }

    static func socketPath(environment: (String) -> String?) -> String {
        if let path = environment("COFFER_SOCKET"), !path.isEmpty { return path }
        if let folder = environment("XDG_RUNTIME_DIR"), !folder.isEmpty {
            return "\(folder)/coffer/coffer.sock"
        }
        return "/run/coffer/coffer.sock"
    }
}
