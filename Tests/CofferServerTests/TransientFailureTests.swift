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
        Failure(.cancelled, .cancelled, "x"),
    ])
    func saysNothingAboutTheRecord(failure: Failure) {
        #expect(failure.effects.mayServeStale)
    }

    @Test(arguments: [
        Failure.notFound, Failure(.permissionDenied, .vaultRefused, "x"), .unreadable(vault: "v"),
        Failure(.failedPrecondition, .vaultRefused, "x"), .internalError("x"),
        Failure(.unauthenticated, .vaultRefused, "x"), Failure(.failedPrecondition, .notSupported, "x"),
    ])
    func isADefiniteNo(failure: Failure) {
        #expect(!failure.effects.mayServeStale)
    }

    /// What is cached of the key is as good as before if surely nothing was written.
    @Test(arguments: [
        Failure(.unavailable, .vaultUnreachable, "x", isUnsent: true), Failure(.resourceExhausted, .limit, "x"),
        .badField("credential", "x"), Failure(.permissionDenied, .vaultRefused, "x"),
        Failure(.failedPrecondition, .notSupported, "x"), .deadlineExceeded(vault: "v").ofRead, .internalError("x"),
    ])
    func leavesWhatIsCached(failure: Failure) {
        guard case .notWritten = failure.writeOutcome else {
            Issue.record("\(failure.writeOutcome)")
            return
        }
    }

    @Test(arguments: [
        Failure(.internal, .vaultFailed, "x", mayHaveWritten: true), .deadlineExceeded(vault: "v"), .cutOff,
        Failure(.unavailable, .vaultUnreachable, "x", isUnsent: true).afterChange,
        // The vault has something else than the caller thought.
        .versionMismatch, .alreadyExists,
    ])
    func putsWhatIsCachedInDoubt(failure: Failure) {
        guard case .uncertain = failure.writeOutcome else {
            Issue.record("\(failure.writeOutcome)")
            return
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
