/// What a failure of a call to a vault means to those who act on it: breaker, retries, cache,
/// Health, listings. They all ask this one table. What holds for the single call, whether it may
/// be repeated, was sent, or may have written, is in the failure itself.
package struct FailureEffects: Equatable, Sendable {
    /// Whom a failure concerns beside the call that met it.
    package enum Scope: Hashable, Sendable {
        /// Calls for the same record: it cannot be read, and others can.
        case record
        /// Perhaps other calls of the same kind.
        case call
        /// Every call: nobody can use the vault.
        case vault
    }

    /// What the vault has shown of itself: for the breaker, retries and the limit of calls.
    package fileprivate(set) var vault: VaultOutcome
    /// It says nothing about the record, only that the vault could not be asked or understood:
    /// what is cached may stand in. All else is a definite no, and ends what is cached.
    package let mayServeStale: Bool
    package let scope: Scope
    /// A write of another record would have failed too: neither this record nor the rate of
    /// calls is the cause.
    package let failsOtherWrites: Bool

    fileprivate init(_ vault: VaultOutcome, stale: Bool, _ scope: Scope, otherWrites: Bool) {
        self.vault = vault
        mayServeStale = stale
        self.scope = scope
        failsOtherWrites = otherWrites
    }
}

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
    /// Nothing: the caller left, the fault is ours, or the vault was not asked.
    case silent
}

extension Failure {
    /// What the failure means.
    package var effects: FailureEffects {
        var effects = row
        if isRemembered { effects.vault = .silent }
        return effects
    }

    /// The table. The first row that fits counts.
    private var row: FailureEffects {
        switch (code, reason) {
        // The caller's doing: others give the vault more time.
        case (.deadlineExceeded, _) where hadLittleTime: FailureEffects(.silent, stale: true, .call, otherWrites: false)
        case (.cancelled, _): FailureEffects(.silent, stale: true, .call, otherWrites: false)
        case (.internal, .internal): FailureEffects(.silent, stale: false, .call, otherWrites: false)
        // Another server may have answered in the vault's place: its answer must not empty the cache.
        case (.failedPrecondition, .vaultUnreachable): FailureEffects(.mistrusted, stale: true, .vault, otherWrites: true)
        // A full disk stops writes; it says so, and goes on answering reads.
        case (.unavailable, .disk), (.resourceExhausted, .disk):
            FailureEffects(.answered, stale: true, .call, otherWrites: true)
        case (_, .disk): FailureEffects(.answered, stale: false, .call, otherWrites: true)
        // A quota that this record, or one kind of call, has used up; not the rate of calls.
        case (.resourceExhausted, .vaultRefused): FailureEffects(.answered, stale: true, .call, otherWrites: false)
        case (.resourceExhausted, _): FailureEffects(.limited, stale: true, .call, otherWrites: false)
        case (.unavailable, .draining): FailureEffects(.transient, stale: true, .vault, otherWrites: false)
        case (.unavailable, _), (.deadlineExceeded, _): FailureEffects(.transient, stale: true, .vault, otherWrites: true)
        case (.internal, .vaultFailed): FailureEffects(.transient, stale: true, .call, otherWrites: true)
        case (.internal, _), (.unknown, _): FailureEffects(.transient, stale: false, .call, otherWrites: true)
        // The vault was not asked: there are no credentials to ask it with.
        case (.unauthenticated, .vaultRefused) where isUnsent: FailureEffects(.silent, stale: true, .vault, otherWrites: true)
        case (.unauthenticated, _): FailureEffects(.answered, stale: false, .vault, otherWrites: true)
        case (.dataLoss, .unreadableRecord): FailureEffects(.answered, stale: false, .record, otherWrites: false)
        // The vault was not asked: a file with a token or key cannot be read, or the address has the wrong scheme.
        case (.failedPrecondition, .vaultRefused) where isUnsent: FailureEffects(.silent, stale: true, .vault, otherWrites: true)
        // By a rule of the vault's for this name, or for all of them.
        case (.permissionDenied, .vaultRefused), (.failedPrecondition, .vaultRefused):
            FailureEffects(.answered, stale: false, .record, otherWrites: true)
        case (.aborted, _), (.alreadyExists, _), (.notFound, _), (.invalidArgument, _):
            FailureEffects(.answered, stale: false, .call, otherWrites: false)
        default: FailureEffects(.answered, stale: false, .call, otherWrites: true)
        }
    }

    /// It says that this record cannot be read, and nothing about others nor the vault.
    package var isOfOneRecord: Bool { effects.scope == .record }

    /// The vault did what was asked, and found a condition of the call not met.
    package var isConditionNotMet: Bool {
        reason == .versionMismatch || reason == .alreadyExists || reason == .notFound
    }
}
