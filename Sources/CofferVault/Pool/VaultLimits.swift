/// What one vault is asked at most, and how its failures are met.
package struct VaultLimits: Hashable, Sendable {
    /// Calls that wait for a place, at most.
    package var maximumQueued = 1_024
    /// The same of one uid; never more than half of all, whatever this says: see `queueShare`.
    package var maximumQueuedPerUID = 4_096
    /// How long one attempt may take; a caller's own deadline counts if it is earlier.
    package var timeout = Duration.seconds(5)
    /// `admission.maximum` is how many calls are at the vault at once.
    package var admission = AdmissionRamp.Limits()
    package var breaker = CircuitBreaker.Limits()
    package var retry = RetryPolicy.Limits()

    package init() {}

    /// Places in the queue that one uid may take.
    package var queueShare: Int { max(1, min(maximumQueuedPerUID, maximumQueued / 2)) }

    /// An attempt that had less time than this and ran out of it says nothing
    /// about the vault, or callers in a hurry could shut it for everybody. An attempt that had
    /// all of the vault's time always counts, and a read has hardly more.
    package var patience: Duration { Self.patience(ofCallsIn: timeout) }

    /// The same where a call has this long.
    package static func patience(ofCallsIn timeout: Duration) -> Duration { min(.seconds(1), timeout / 2) }
}
