package import CofferCore

/// What the end of a call says about the vault, whatever it says about the call.
package enum VaultOutcome: Hashable, Sendable {
    /// It answered, with what was asked for or with a clear refusal.
    case answered
    /// It refused because it gets too many calls: it works, and this is no outage.
    case limited
    /// It did not do its work, and may do it later.
    case transient
    /// It could not prove who it is: an outage, behind which there may be somebody
    /// else, so it is asked more rarely.
    case mistrusted
    /// Nothing: the caller went away, or the fault is ours.
    case silent
}

extension Failure {
    /// The vault did what was asked, and found a condition of the call not met.
    package var isConditionNotMet: Bool {
        reason == .versionMismatch || reason == .alreadyExists || reason == .notFound
    }

    /// What this failure, thrown by an adapter, says about the vault.
    package var outcome: VaultOutcome {
        switch (code, reason) {
        case (.failedPrecondition, .vaultUnreachable): .mistrusted
        case (.cancelled, _), (.internal, .internal): .silent
        // A full disk stops writes; it says so, and goes on answering reads.
        case (_, .disk): .answered
        // A quota that this record, or one kind of call, has used up; not the rate of calls.
        case (.resourceExhausted, .vaultRefused): .answered
        case (.resourceExhausted, _): .limited
        case (.unavailable, _), (.deadlineExceeded, _), (.internal, _), (.unknown, _): .transient
        default: .answered
        }
    }
}
