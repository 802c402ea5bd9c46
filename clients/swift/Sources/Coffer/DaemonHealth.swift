/// Whether the daemon and its vaults can do their work now.
public struct DaemonHealth: Equatable, Sendable {
    /// One configured vault.
    public struct Vault: Equatable, Sendable {
        /// The configured name.
        public let name: String
        /// For instance `embedded`.
        public let kind: String
        /// The check made for this call succeeded.
        public let isReachable: Bool
        /// How long that check took.
        public let latency: Duration
        /// When a call last succeeded, in Unix milliseconds; nil = not since the start.
        public let lastGoodContactMilliseconds: UInt64?
        /// The class of the last failure; `unspecified` = none since the start.
        public let lastFailure: CofferError.Reason
    }

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
