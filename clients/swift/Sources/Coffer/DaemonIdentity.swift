/// What a daemon says of itself, without asking a vault.
public struct DaemonIdentity: Equatable, Sendable {
    /// As `cofferd --version` prints it.
    public let version: String
    /// Drawn at each start of a daemon: another one is another process.
    public let instance: String
    /// The daemon is about to end.
    public let isDraining: Bool
    /// Bytes of the largest frame that it takes, header included.
    public let maximumFrameBytes: Int
    /// Bytes of the largest credential that it stores.
    public let maximumCredentialBytes: Int
    /// Calls of one connection that may wait for a vault at the same time.
    public let maximumWaitingCalls: Int
    /// Keys of one GetMany; `CofferClient.credentials` splits what is more.
    public let maximumKeys: Int
    /// The longest that a call may take, whatever the client says.
    public let maximumTimeout: Duration
    /// A bit for each thing that later daemons do; PROTOCOL.md lists them.
    public let features: UInt64
}

extension DaemonIdentity {
    init(_ response: Coffer_V1_PingResponse) {
        version = response.version
        instance = response.instance
        isDraining = response.draining
        maximumFrameBytes = Int(response.maxFrameBytes)
        maximumCredentialBytes = Int(response.maxCredentialBytes)
        maximumWaitingCalls = Int(response.maxWaitingCalls)
        maximumKeys = Int(response.maxKeys)
        maximumTimeout = .milliseconds(Int64(response.maxCallMs))
        features = response.features
    }
}
