import CofferCore
import CofferVault
import Testing

@Suite struct RetryPolicyTests {
    private func attempt(
        _ number: Int = 1, _ repeatability: RetryPolicy.Repeatability = .always,
        _ failure: Failure = .unavailable, deadline: BootInstant = .at(100)
    ) -> RetryPolicy.Attempt {
        RetryPolicy.Attempt(number: number, repeatability: repeatability, failure: failure, deadline: deadline)
    }

    private func wait(
        _ attempt: RetryPolicy.Attempt, random: Double = 0.5, active: Int = 1
    ) -> Double? {
        var policy = RetryPolicy()
        return policy.grantRetry(after: attempt, active: active, now: .at(0), random: FixedRandom(random))
            .map { ($0.secondsSinceStart * 1_000).rounded() }
    }

    @Test(arguments: [
        (1, 0.0, 50.0), (1, 0.5, 125), (1, 0.999999, 200), (2, 0, 50), (2, 0.5, 525), (2, 0.999999, 1_000),
    ])
    func waitsAreSpreadBetweenTheirLimits(number: Int, random: Double, expected: Double) {
        #expect(wait(attempt(number), random: random) == expected)
    }

    @Test func thereIsNoFourthAttempt() {
        #expect(wait(attempt(2)) != nil)
        #expect(wait(attempt(3)) == nil)
    }

    @Test func onlyWhatMayBeRepeatedIs() {
        var unsent = Failure.unavailable
        unsent.isUnsent = true
        #expect(wait(attempt(1, .ifUnsent)) == nil)
        #expect(wait(attempt(1, .ifUnsent, unsent)) != nil)
    }

    @Test(arguments: [
        Failure.notFound, .alreadyExists, .versionMismatch, .mistrust, .unreadable(vault: ""), .internalError("x"),
        Failure(.permissionDenied, .denied, ""), Failure(.cancelled, .cancelled, "", retryable: true),
        Failure(.unavailable, .vaultUnreachable, "", retryable: false),
    ])
    func whatTimeDoesNotHealIsNotRepeated(failure: Failure) {
        #expect(wait(attempt(1, .always, failure)) == nil)
    }

    /// It says nothing new about the vault, and a later attempt may be the one that asks it.
    @Test func whatACallBeforeHasMetIsTriedAgain() {
        var remembered = Failure(.unavailable, .vaultUnreachable, "refused", retryable: true, isUnsent: true)
        remembered.isRemembered = true
        #expect(remembered.effects.vault == .silent)
        #expect(wait(attempt(1, .always, remembered)) != nil)
    }

    @Test func theVaultsAdviceIsTheLeast() {
        var failure = Failure(.resourceExhausted, .limit, "", retryable: true, retryAfterMilliseconds: 3_000)
        #expect(wait(attempt(1, .always, failure)) == 3_000)
        failure.retryAfterMilliseconds = 60
        #expect(wait(attempt(1, .always, failure)) == 125)
    }

    @Test func aRetryBeginsBeforeTheDeadlineOrNotAtAll() {
        #expect(wait(attempt(1, deadline: .at(0.126))) == 125)
        #expect(wait(attempt(1, deadline: .at(0.125))) == nil)
        let patient = Failure(.unavailable, .vaultFailed, "", retryable: true, retryAfterMilliseconds: 5_000)
        #expect(wait(attempt(1, .always, patient, deadline: .at(5))) == nil)
    }

    @Test(arguments: [(0, 3), (1, 3), (15, 3), (20, 4), (64, 12), (1_000, 200)])
    func aFifthOfTheCallsAreRetries(active: Int, expected: Int) {
        var policy = RetryPolicy()
        var granted = 0
        while policy.grantRetry(after: attempt(), active: active, now: .at(0), random: FixedRandom(0)) != nil {
            granted += 1
        }
        #expect(granted == expected)
        policy.endRetry()
        #expect(policy.grantRetry(after: attempt(), active: active, now: .at(0), random: FixedRandom(0)) != nil)
    }

    @Test func failuresEmptyTheBucketAndTenAnswersMakeUpForOne() {
        var policy = RetryPolicy()
        func isGranted(_ policy: inout RetryPolicy) -> Bool {
            let next = policy.grantRetry(after: attempt(), active: 1, now: .at(0), random: FixedRandom(0))
            if next != nil { policy.endRetry() }
            return next != nil
        }
        for _ in 0..<4 { policy.note(.transient) }
        #expect(isGranted(&policy) == true)
        policy.note(.transient)
        #expect(isGranted(&policy) == false)
        policy.note(.silent)
        #expect(isGranted(&policy) == false)
        policy.note(.answered)
        #expect(isGranted(&policy) == true)
        for _ in 0..<20 { policy.note(.mistrusted) }
        for _ in 0..<50 { policy.note(.answered) }
        #expect(isGranted(&policy) == false)
        policy.note(.answered)
        #expect(isGranted(&policy) == true)
    }

    /// A vault that fails for long is not asked more often than calls come in,
    /// but for the few retries that the full bucket pays for.
    @Test(arguments: 0..<50 as Range<UInt64>) func anOutageAddsNextToNothing(seed: UInt64) {
        let random = SeededRandom(seed)
        var policy = RetryPolicy()
        var retries = 0
        for _ in 0..<1_000 {
            policy.note(.transient)
            if policy.grantRetry(after: attempt(), active: 64, now: .at(0), random: random) != nil {
                retries += 1
                policy.note(.transient)
                policy.endRetry()
            }
        }
        #expect(retries <= 4)
    }
}
