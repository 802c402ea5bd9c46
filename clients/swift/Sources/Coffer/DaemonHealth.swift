/// Whether the daemon and its vaults can do their work now.
public struct DaemonHealth: Equatable, Sendable {
    /// Whether requests are taken: started, and not draining.
    public let isServing: Bool
    /// The daemon's version.
    public let version: String
    /// Since the daemon started, time asleep included.
    public let uptime: Duration
    /// In the order of the configuration.
    public let vaults: [Vault]
    /// Protections that the host does not give, in words; empty = none is missing.
    public let warnings: [String]
}

/// What to drop from the daemon's cache.
public enum InvalidationScope: Equatable, Sendable {
    /// Every record.
    case all
    /// Every record of this user.
    case user(String)
    /// One record.
    case key(CredentialKey)
}
