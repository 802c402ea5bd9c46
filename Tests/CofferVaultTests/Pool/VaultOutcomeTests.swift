import CofferCore
import CofferVault
import Testing

@Suite struct VaultOutcomeTests {
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
        #expect(Failure(code, reason, "").outcome == expected)
    }
}
