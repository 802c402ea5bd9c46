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

    /// A uid whose daemon is trusted beside that of root and of this process; nil =
    /// `$COFFER_SERVER_UID`, if set. Nothing is sent to another one: calls fail with
    /// FAILED_PRECONDITION.
    public var serverUserID: UInt32?

    /// What the environment says in its place.
    let serverUserVariable: String?

    /// - Parameter socketPath: nil = looked up as `defaultSocketPath()` says.
    public init(socketPath: String? = nil) {
        let rule = SocketRule.current
        self.socketPath = socketPath ?? rule.path
        serverUserVariable = rule.variable("COFFER_SERVER_UID").flatMap { $0.isEmpty ? nil : $0 }
    }

    /// `$COFFER_SOCKET`, else `$XDG_RUNTIME_DIR/coffer/coffer.sock`; else for root
    /// `/run/coffer/coffer.sock`, for others `/run/user/UID/coffer/coffer.sock` if
    /// `/run/user/UID` is theirs, else `/tmp/coffer-UID/coffer.sock`. An empty
    /// variable counts as unset, and so does a relative `XDG_RUNTIME_DIR`.
    public static func defaultSocketPath() -> String { SocketRule.current.path }
}
