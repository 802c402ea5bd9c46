package import CofferCore

/// How many calls may be at a vault at once, and how fast new ones may begin.
///
/// As a rule only the number counts. After an outage everybody who was refused
/// comes back at once, so there the number grows from a few with each answer, and
/// calls begin at most 1.7 times as fast as they did before the outage, until
/// nobody had to wait for that any more. What the vault meets stays below twice
/// what it was used to.
package struct AdmissionRamp: Sendable {
    /// The figures of the rule above.
    package struct Limits: Hashable, Sendable {
        /// Calls at a time.
        package var maximum = 64
        /// Calls at a time right after an outage.
        package var start = 4
        /// The rate after an outage, as a multiple of the rate before it.
        package var headroom = 1.7
        /// Calls a second that are always allowed.
        package var minimumRate = 20.0
        /// After this long of holding calls back, the need is a new one and not a
        /// backlog: the rate then doubles with every `doubling`.
        package var hold = Duration.seconds(120)
        package var doubling = Duration.seconds(10)
        /// Nobody had to wait for this long: the outage is over.
        package var calm = Duration.seconds(5)

        package init() {}
    }

    private struct Pace {
        let base: Double
        let begun: BootInstant
        var tokens = 1.0
        var filledAt: BootInstant
        /// When somebody last had to wait for a token.
        var lastDelay: BootInstant
        /// When the last of those who were refused was told to come back.
        var lastReturn: BootInstant
    }

    /// Calls at a time at this moment: fewer after an outage.
    package private(set) var limit: Int
    private var meter = RateMeter()
    private var pace: Pace?
    private let limits: Limits

    package init(limits: Limits = Limits()) {
        self.limits = limits
        limit = max(1, limits.maximum)
    }

    /// Whether the time since the last outage is still a careful one.
    package func isRecovering(at now: BootInstant) -> Bool {
        pace.map { now < $0.lastReturn + limits.calm || now.duration(since: $0.lastDelay) < limits.calm } ?? false
    }

    /// Whether a call may begin at `now`, if there is a place for it.
    package mutating func mayBegin(at now: BootInstant) -> Bool {
        fill(at: now)
        guard let pace else { return true }
        if pace.tokens >= 1 { return true }
        self.pace?.lastDelay = now
        return false
    }

    /// A call has begun.
    package mutating func noteBegin(at now: BootInstant) {
        meter.count(at: now)
        pace?.tokens -= 1
    }

    /// A call was answered.
    package mutating func noteAnswer() {
        if limit < limits.maximum { limit += 1 }
    }

    /// The vault is not asked from now on.
    package mutating func pause(at now: BootInstant) {
        meter.stop(at: now)
        pace = nil
    }

    /// The vault answers again.
    ///
    /// - Parameter lastReturn: when the last of those who were refused was told to
    ///   come back. A vault that is found to be back before that has its herd still
    ///   to come.
    package mutating func recover(at now: BootInstant, lastReturn: BootInstant? = nil) {
        meter.stop(at: now)
        limit = max(1, min(limits.start, limits.maximum))
        let base = max(limits.minimumRate, meter.rate(at: now) * limits.headroom)
        pace = Pace(base: base, begun: now, filledAt: now, lastDelay: now, lastReturn: lastReturn ?? now)
    }

    /// When a call may begin that may not at `now`.
    package func nextBegin(after now: BootInstant) -> BootInstant {
        guard let pace else { return now }
        let wait = max(0, 1 - pace.tokens) / rate(of: pace, at: now)
        return max(now, pace.filledAt + .nanoseconds(Int64(wait * 1e9) + 1))
    }

    private func rate(of pace: Pace, at now: BootInstant) -> Double {
        let over = now.duration(since: pace.begun) - limits.hold
        guard over > .zero else { return pace.base }
        return pace.base * Double(UInt64(1) << UInt64(min(30, 1 + over.seconds / limits.doubling.seconds)))
    }

    private mutating func fill(at now: BootInstant) {
        guard var pace else { return }
        guard isRecovering(at: now) else {
            self.pace = nil
            meter.resume(at: now)
            return
        }
        let rate = rate(of: pace, at: now)
        let burst = max(1, rate / 10)
        pace.tokens = min(burst, pace.tokens + rate * now.duration(since: pace.filledAt).seconds)
        pace.filledAt = max(pace.filledAt, now)
        self.pace = pace
    }
}
