import FoundationEssentials

/// A client of `cofferd`, the daemon that keeps credentials.
///
/// One client serves a whole program: its calls share one connection, made when
/// first needed and again when it is lost. Every call throws `CofferError`, or
/// `CancellationError` when its task is cancelled, and takes a timeout; nil means
/// the configured one.
public struct CofferClient<Channel: CofferChannel>: Sendable {
    /// What carries the calls, also for stubs of other services.
    public let channel: Channel

    var credentials: Coffer_V1_CredentialsClient<Channel> { .init(channel: channel) }
    var admin: Coffer_V1_AdminClient<Channel> { .init(channel: channel) }

    /// - Parameter channel: what carries the calls; in tests, anything.
    public init(channel: Channel) { self.channel = channel }
}

extension CofferClient<UnixSocketChannel> {
    /// A client of the daemon at the configured socket. Does not connect yet.
    public init(configuration: CofferConfiguration = CofferConfiguration()) {
        self.init(channel: UnixSocketChannel(configuration: configuration))
    }

    /// A client of the daemon at this socket. Does not connect yet.
    public init(socketPath: String) {
        self.init(configuration: CofferConfiguration(socketPath: socketPath))
    }

    /// Ends calls in flight with CANCELLED; later calls fail the same way.
    /// Letting go of the last copy of a client closes it too.
    public func close() { channel.close() }
}

extension Data {
    /// Overwrites the bytes; in place, as long as nobody else holds this value.
    mutating func wipeInPlace() { withUnsafeMutableBytes { wipe($0) } }
}
