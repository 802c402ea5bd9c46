package import CofferCore

/// Whether and when a failed call to a vault is made again.
///
/// Three things must agree: the call may be repeated, a share of the calls under
/// way is not spent on retries already, and the vault has answered enough of late
/// (a bucket of tokens that failures empty faster than answers fill it). So an
/// outage is not met with more calls than there were before.
package struct RetryPolicy: Sendable {
    /// How often, how soon and for how many calls at a time.
    package struct Limits: Hashable, Sendable {
        /// Attempts of one call, the first included.
        package var attempts = 3
        /// The shortest wait before a retry.
        package var minimumWait = Duration.milliseconds(50)
        /// The longest; the first retry waits at most a fifth of it.
        package var maximumWait = Duration.seconds(1)
        /// The part of the calls under way that may be retries at a time.
        package var share = 0.2
        /// Retries at a time that are allowed however few calls are under way.
        package var minimumShare = 3

        package init() {}
    }

    /// What a call may do to the vault a second time.
    package enum Repeatability: Hashable, Sendable {
        case always
        /// Only if the attempt before surely did not reach the vault.
        case ifUnsent
    }

    /// A call that has failed.
    package struct Attempt: Sendable {
        /// 1 for the first.
        package var number: Int
        package var repeatability: Repeatability
        package var failure: Failure
        /// When its caller gives up.
        package var deadline: BootInstant

        package init(number: Int, repeatability: Repeatability, failure: Failure, deadline: BootInstant) {
            self.number = number
            self.repeatability = repeatability
            self.failure = failure
            self.deadline = deadline
        }
    }

    // Tokens in tenths, so that a thousand answers add up exactly.
    private static let fullBucket = 100
    private static let failureCost = 10
    private static let answerGain = 1

    /// Retries that wait or are under way.
    package private(set) var retrying = 0
    private var tokens = RetryPolicy.fullBucket
    private let limits: Limits

    package init(limits: Limits = Limits()) { self.limits = limits }

    /// Any attempt has ended like this.
    package mutating func note(_ outcome: VaultOutcome) {
        switch outcome {
        case .answered: tokens = min(Self.fullBucket, tokens + Self.answerGain)
        case .transient, .mistrusted, .limited: tokens = max(0, tokens - Self.failureCost)
        case .silent: break
        }
    }

    /// When to try again; nil = the failure stands. A retry that is granted
    /// counts as under way until `endRetry`.
    ///
    /// - Parameter active: calls under way: at the vault, queued, or waiting for a retry.
    package mutating func grantRetry(
        after attempt: Attempt, active: Int, now: BootInstant, random: some RandomSource
    ) -> BootInstant? {
        let failure = attempt.failure
        // One that an earlier call met was the vault's, too.
        guard failure.isRemembered || [.transient, .limited].contains(failure.effects.vault), failure.retryable,
            attempt.number < limits.attempts,
            attempt.repeatability == .always || failure.isUnsent,
            tokens > Self.fullBucket / 2,
            retrying < max(limits.minimumShare, Int(Double(active) * limits.share))
        else { return nil }
        let advice = Duration.milliseconds(failure.retryAfterMilliseconds)
        let next = now + max(advice, wait(after: attempt.number, random))
        guard next < attempt.deadline else { return nil }
        retrying += 1
        return next
    }

    package mutating func endRetry() {
        precondition(retrying > 0, "no retry is under way")
        retrying -= 1
    }

    /// Evenly distributed between the shortest wait and a ceiling that grows
    /// fivefold with each attempt.
    private func wait(after attempt: Int, _ random: some RandomSource) -> Duration {
        var ceiling = limits.maximumWait
        for _ in attempt..<max(attempt, limits.attempts - 1) { ceiling /= 5 }
        let spread = max(.zero, ceiling - limits.minimumWait)
        return limits.minimumWait + spread * random.unit()
    }
}
