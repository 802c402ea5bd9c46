package import CofferCore

/// Stops asking a vault that keeps failing, and finds out with single calls
/// whether it answers again.
///
/// Pure: time and randomness are passed in. Every change of state starts an
/// epoch; the end of a call that began in an earlier one changes nothing, so what
/// was under way when the breaker opened neither closes it nor keeps it open.
package struct CircuitBreaker: Sendable {
    /// When it opens, and for how long.
    package struct Limits: Hashable, Sendable {
        /// Failures in a row that open it.
        package var failures = 5
        /// How long it stays open the first time. Each time that the vault was asked in
        /// vain doubles it, up to `maximumRest`: so an outage costs about what it lasts,
        /// and a long one is met with few calls.
        package var rest = Duration.milliseconds(100)
        package var maximumRest = Duration.seconds(30)
        /// How long it stays open for a vault that could not prove who it is; such a
        /// vault is checked every `maximumRest`.
        package var mistrustRest = Duration.seconds(300)
        /// How far a rest may differ from its length, as a part of it. The longest is
        /// never shortened.
        package var jitter = 0.2
        /// After this long without an opening, and after at least the last rest, the
        /// next outage begins with the shortest rest again.
        package var calm = Duration.seconds(5)

        package init() {}
    }

    /// Whether calls go out.
    package enum State: Hashable, Sendable {
        case closed
        case open(since: BootInstant, until: BootInstant)
        /// One call, begun then, is finding out.
        case halfOpen(since: BootInstant)
    }

    /// The right to call the vault once; its end is handed back to `end`.
    package struct Pass: Hashable, Sendable {
        let epoch: UInt64
        /// The one call of a half-open breaker.
        package let isProbe: Bool
    }

    /// What the end of a call has done to the breaker.
    package enum Change: Hashable, Sendable {
        case none, opened, closed
    }

    package private(set) var state = State.closed
    /// Failures in a row, while closed.
    package private(set) var failures = 0
    /// Openings without enough good time between them.
    package private(set) var openings = 0

    private let limits: Limits
    private var epoch: UInt64 = 0
    /// How long it stayed, or stays, open the last time.
    package private(set) var lastRest = Duration.zero
    private var isMistrusted = false
    private var checkAt = BootInstant(nanoseconds: 0)
    private var closedAt: BootInstant?

    package init(limits: Limits = Limits()) { self.limits = limits }

    /// Whether a call at `now` would get no pass.
    package func refuses(at now: BootInstant) -> Bool {
        switch state {
        case .closed: false
        case .open(_, let until): now < until
        case .halfOpen: true
        }
    }

    /// The pass for a call at `now`; nil if the vault is not to be asked.
    package mutating func begin(at now: BootInstant) -> Pass? {
        guard !refuses(at: now) else { return nil }
        guard case .open = state else { return Pass(epoch: epoch, isProbe: false) }
        enter(.halfOpen(since: now))
        return Pass(epoch: epoch, isProbe: true)
    }

    /// The call with this pass has ended.
    package mutating func end(
        _ pass: Pass, _ outcome: VaultOutcome, at now: BootInstant, random: some RandomSource
    ) -> Change {
        guard pass.epoch == epoch else { return .none }
        switch (pass.isProbe, outcome) {
        case (true, .answered), (true, .limited):
            enter(.closed)
            closedAt = now
            return .closed
        case (true, .transient), (true, .mistrusted):
            rest(after: outcome, at: now, random: random)
            return .opened
        case (true, .silent):
            // The probe told nothing: the vault may have been asked in vain, or its login a moment before.
            rest(after: outcome, at: now, random: random)
            return .none
        case (false, .answered), (false, .limited):
            failures = 0
            return .none
        case (false, .silent):
            return .none
        case (false, .transient), (false, .mistrusted):
            return fail(outcome, at: now, random: random)
        }
    }

    /// When a check may look whether the vault answers again; nil = calls find out.
    package var nextCheck: BootInstant? {
        if case .open = state { checkAt } else { nil }
    }

    /// A check begins: no call need ask the same, nor another check. Until it has
    /// ended it counts as one that was in vain.
    package mutating func beginCheck(at now: BootInstant, random: some RandomSource) {
        guard case .open(let since, let until) = state else { return }
        let length = isMistrusted ? limits.maximumRest : nextRest(after: .transient, random: random)
        checkAt = max(checkAt, now + length)
        state = .open(since: since, until: max(until, now + length))
    }

    /// A look at the vault from beside the calls has ended. A good one lets the
    /// next call be the probe at once; it does not close the breaker itself, as
    /// it may have needed less of the vault than calls do.
    package mutating func noteCheck(
        _ outcome: VaultOutcome, at now: BootInstant, random: some RandomSource
    ) -> Change {
        switch (state, outcome) {
        case (.open(let since, let until), .answered), (.open(let since, let until), .limited):
            state = .open(since: since, until: min(until, now))
            return .none
        case (.closed, .answered), (.closed, .limited):
            failures = 0
            return .none
        case (.closed, .transient), (.closed, .mistrusted):
            return fail(outcome, at: now, random: random)
        default:
            return .none
        }
    }

    /// What may be the cause of the failures was changed: the next call is the probe, if none is under way.
    package mutating func noteRepair(at now: BootInstant) {
        guard case .open(let since, let until) = state else { return }
        state = .open(since: since, until: min(until, now))
    }

    private mutating func fail(
        _ outcome: VaultOutcome, at now: BootInstant, random: some RandomSource
    ) -> Change {
        failures += 1
        guard failures >= limits.failures else { return .none }
        // A vault that fails again soon after it came back goes on counting.
        if let closedAt, now.duration(since: closedAt) >= max(limits.calm, lastRest) { openings = 0 }
        rest(after: outcome, at: now, random: random)
        return .opened
    }

    private mutating func rest(after outcome: VaultOutcome, at now: BootInstant, random: some RandomSource) {
        lastRest = nextRest(after: outcome, random: random)
        isMistrusted = outcome == .mistrusted
        enter(.open(since: now, until: now + lastRest))
        checkAt = now + min(lastRest, limits.maximumRest)
    }

    /// How long to leave the vault alone after it was asked in vain once more.
    private mutating func nextRest(after outcome: VaultOutcome, random: some RandomSource) -> Duration {
        openings += 1
        let spread = 1 - limits.jitter + 2 * limits.jitter * random.unit()
        if outcome == .mistrusted { return limits.mistrustRest * spread }
        let doubled = limits.rest * Double(UInt64(1) << UInt64(min(openings - 1, 40)))
        return doubled < limits.maximumRest
            ? min(limits.maximumRest, doubled * spread)
            : limits.maximumRest * (1 + limits.jitter * random.unit())
    }

    private mutating func enter(_ state: State) {
        self.state = state
        failures = 0
        epoch += 1
    }
}
