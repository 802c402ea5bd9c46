package import CofferCore

/// What is known of a vault, from the calls that went to it.
package struct VaultHealth: Sendable {
    package var name: String
    package var kind: String
    /// Whether the vault answered the last time; nil = it was not asked yet.
    package var isReachable: Bool?
    package var breaker: CircuitBreaker.State
    /// How long the vault will not be asked, from the moment of this snapshot.
    package var refusedFor: Duration
    /// When it last answered; 0 = never.
    package var lastGoodContact: WallMilliseconds
    /// The last failure that was the vault's, however long ago.
    package var lastFailure: Failure?
    /// Attempts that went to the vault, its checks not counted.
    package var calls: UInt64
    /// Attempts that the vault failed.
    package var failures: UInt64
    /// Attempts that were not the first of their call.
    package var retries: UInt64
    /// Calls that were turned away without asking the vault.
    package var rejected: UInt64
    /// How long answers take, in microseconds: a running average of which the
    /// last one is an eighth; 0 = none yet.
    package var latencyMicroseconds: UInt64
    package var inFlight: Int
    package var queued: Int
    /// The most calls that were at the vault at once.
    package var peakInFlight: Int
    /// Calls that may be at the vault at once now.
    package var limit: Int
    /// The vault is back and gets its load little by little.
    package var isRecovering: Bool
}
