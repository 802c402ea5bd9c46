package import CofferCore

/// The state of one vault, for Health. What its maker does not set is as with a
/// vault that nothing is known about yet.
package struct VaultHealth: Sendable {
    /// Whether calls reach the vault, by number as in `coffer.v1.VaultHealth.Breaker`.
    package enum Breaker: Int32, Sendable {
        /// It has none.
        case unspecified = 0
        /// They do.
        case closed = 1
        /// They fail at once.
        case open = 2
        /// One of them does.
        case halfOpen = 3
    }

    /// How Stores and Deletes end, by number as in `coffer.v1.VaultHealth.Writes`.
    package enum Writes: Int32, Sendable {
        /// None has ended since the start.
        case unspecified = 0
        case work = 1
        /// The last one failed, as others will.
        case fail = 2
    }

    package var name: String
    package var kind: String
    package var format = "sealed"
    /// In words: "user=crm-* connection=*".
    package var routes: [String] = []
    package var reachable = false
    /// How the check made for this call failed; nil = it succeeded.
    package var checkFailure: Failure?
    package var latencyMicroseconds: UInt64 = 0
    /// 0 = not since the start.
    package var lastGoodContact: WallMilliseconds = 0
    package var lastFailure = Failure.Reason.unspecified
    /// 0 = not since the start.
    package var lastFailureAt: WallMilliseconds = 0
    package var writes = Writes.unspecified
    /// Why they fail; unspecified if they do not.
    package var writeFailure = Failure.Reason.unspecified
    package var breaker = Breaker.unspecified
    /// Until an open breaker lets a call through.
    package var breakerRetryMilliseconds: UInt64 = 0
    package var inFlight: UInt64 = 0
    package var queued: UInt64 = 0
    package var calls: UInt64 = 0
    package var failures: UInt64 = 0
    package var retries: UInt64 = 0
    /// Calls refused without asking the vault.
    package var refusals: UInt64 = 0

    package init(name: String, kind: String) {
        self.name = name
        self.kind = kind
    }
}
