import CofferCache
import CofferCore
import Testing

@testable import CofferServer

/// After which failures what is cached may stand in for the vault.
@Suite struct TransientFailureTests {
    @Test(arguments: [
        Failure(.unavailable, .vaultUnreachable, "x"), Failure(.unavailable, .vaultFailed, "x"),
        .deadlineExceeded(vault: "v"), Failure(.resourceExhausted, .limit, "x"),
        Failure(.internal, .vaultFailed, "x"), Failure(.failedPrecondition, .vaultUnreachable, "x"),
    ])
    func saysNothingAboutTheRecord(failure: Failure) {
        #expect(failure.isTransient)
    }

    @Test(arguments: [
        Failure.notFound, Failure(.permissionDenied, .vaultRefused, "x"), .unreadable(vault: "v"),
        Failure(.failedPrecondition, .vaultRefused, "x"), .internalError("x"),
        Failure(.unauthenticated, .vaultRefused, "x"), Failure(.failedPrecondition, .notSupported, "x"),
    ])
    func isADefiniteNo(failure: Failure) {
        #expect(!failure.isTransient)
    }

    /// What is cached of the key stays if the write was not sent, and only then.
    @Test func whatAFailedWriteSaysAboutTheRecord() {
        var failure = Failure(.unavailable, .vaultUnreachable, "x")
        guard case .ambiguous = failure.writeOutcome else {
            Issue.record("\(failure.writeOutcome)")
            return
        }
        failure.isUnsent = true
        guard case .unsent = failure.writeOutcome else {
            Issue.record("\(failure.writeOutcome)")
            return
        }
        for refusal in [Failure.versionMismatch, .alreadyExists] {
            guard case .refused = refusal.writeOutcome else {
                Issue.record("\(refusal.writeOutcome)")
                return
            }
        }
    }

    /// What is stale is then given without asking for so long.
    @Test func nothingSentIsAskedAgainSooner() {
        var failure = Failure(.unavailable, .vaultUnreachable, "x")
        #expect(failure.flightOutcome.recheckMilliseconds == 30_000)
        failure.isUnsent = true
        #expect(failure.flightOutcome.recheckMilliseconds == 5_000)
    }
}
