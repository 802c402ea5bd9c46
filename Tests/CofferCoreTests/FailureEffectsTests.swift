import CofferCore
import Testing

/// The table that breaker, retries, cache, Health and listings go by.
@Suite struct FailureEffectsTests {
    @Test(arguments: [
        (StatusCode.unavailable, Failure.Reason.vaultUnreachable, VaultOutcome.transient),
        (.unavailable, .draining, .transient), (.deadlineExceeded, .deadline, .transient),
        (.resourceExhausted, .limit, .limited), (.internal, .vaultFailed, .transient),
        (.unknown, .unspecified, .transient),
        (.notFound, .notFound, .answered), (.permissionDenied, .denied, .answered),
        (.unauthenticated, .vaultRefused, .answered), (.failedPrecondition, .notSupported, .answered),
        (.failedPrecondition, .vaultRefused, .answered), (.aborted, .versionMismatch, .answered),
        (.alreadyExists, .alreadyExists, .answered), (.invalidArgument, .badField, .answered),
        (.dataLoss, .unreadableRecord, .answered), (.resourceExhausted, .disk, .answered),
        (.failedPrecondition, .vaultUnreachable, .mistrusted),
        (.cancelled, .cancelled, .silent), (.internal, .internal, .silent),
    ])
    func aFailureSaysSomethingAboutItsVault(code: StatusCode, reason: Failure.Reason, expected: VaultOutcome) {
        #expect(Failure(code, reason, "").effects.vault == expected)
    }

    @Test(
        arguments: [
            (Failure.unreadable(vault: "v"), .record), (Failure(.permissionDenied, .vaultRefused, ""), .record),
            (Failure(.failedPrecondition, .vaultRefused, ""), .record), (Failure(.unavailable, .disk, ""), .call),
            (Failure(.resourceExhausted, .limit, ""), .call), (Failure(.internal, .vaultFailed, ""), .call),
            (Failure.deadlineExceeded(vault: "v"), .vault), (Failure(.unauthenticated, .vaultRefused, ""), .vault),
            (Failure(.unavailable, .vaultUnreachable, ""), .vault),
            (Failure(.failedPrecondition, .vaultUnreachable, ""), .vault),
        ] as [(Failure, FailureEffects.Scope)])
    func aFailureConcernsSomebody(failure: Failure, scope: FailureEffects.Scope) {
        #expect(failure.effects.scope == scope)
        #expect(failure.isOfOneRecord == (scope == .record))
    }

    /// The vault was not asked: a file of the daemon's cannot be read, or the caller had no time.
    @Test func whatSaysNothingOfTheRecordLeavesWhatIsCached() {
        #expect(!Failure(.failedPrecondition, .vaultRefused, "the mount").effects.mayServeStale)
        #expect(Failure(.failedPrecondition, .vaultRefused, "the file", isUnsent: true).effects.mayServeStale)
        #expect(!Failure(.unauthenticated, .vaultRefused, "the token").effects.mayServeStale)
        #expect(Failure(.unauthenticated, .vaultRefused, "no credentials", isUnsent: true).effects.mayServeStale)
        var hurried = Failure.deadlineExceeded(vault: "v")
        hurried.hadLittleTime = true
        #expect(hurried.effects.mayServeStale && hurried.effects.vault == .silent && hurried.effects.scope == .call)
    }

    /// What cannot be: a definite no that the breaker counts as an outage, or a record's own fault that
    /// leaves the cache as it was.
    @Test func rowsDoNotContradictThemselves() {
        for code in StatusCode.allCases {
            for reason in Failure.Reason.allCases {
                let effects = Failure(code, reason, "").effects
                if effects.scope == .record { #expect(effects.vault == .answered && !effects.mayServeStale, "\(code) \(reason)") }
                if effects.vault == .limited || effects.vault == .mistrusted { #expect(effects.mayServeStale, "\(code) \(reason)") }
                if effects.scope == .vault && effects.vault == .answered { #expect(code == .unauthenticated, "\(reason)") }
            }
        }
    }
}
