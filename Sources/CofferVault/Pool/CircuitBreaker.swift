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
        /// The first time it stays open; the n-th in a row n times as long.
        package var rest = Duration.seconds(30)
        package var maximumRest = Duration.seconds(300)
        /// How long it stays open for a vault that could not prove who it is.
        package var mistrustRest = Duration.seconds(300)
        /// How far a rest may differ from its length, as a part of it.
        package var jitter = 0.2
        /// While open the vault is not asked more often than once in this time, be it
        /// by a call or by a check.
        package var spacing = Duration.seconds(30)

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
    private var lastRest = Duration.zero
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
        case (true, .answered):
            enter(.closed)
            closedAt = now
            return .closed
        case (true, .transient), (true, .mistrusted):
            rest(after: outcome, at: now, random: random)
            return .opened
        case (true, .silent):
            // The probe told nothing, but the vault was asked.
            enter(.open(since: now, until: now + limits.spacing))
            checkAt = now + limits.spacing
            return .none
        case (false, .answered):
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

    /// A check begins: no call need ask the same, nor another check.
    package mutating func beginCheck(at now: BootInstant) {
        guard case .open(let since, let until) = state else { return }
        checkAt = max(checkAt, now + limits.spacing)
        state = .open(since: since, until: max(until, now + limits.spacing))
    }

    /// A look at the vault from beside the calls has ended. A good one lets the
    /// next call be the probe at once; it does not close the breaker itself, as
    /// it may have needed less of the vault than calls do.
    package mutating func noteCheck(
        _ outcome: VaultOutcome, at now: BootInstant, random: some RandomSource
    ) -> Change {
        switch (state, outcome) {
        case (.open(let since, let until), .answered):
            state = .open(since: since, until: min(until, now))
            return .none
        case (.closed, .answered):
            failures = 0
            return .none
        case (.closed, .transient), (.closed, .mistrusted):
            return fail(outcome, at: now, random: random)
        default:
            return .none
        }
    }

    private mutating func fail(
        _ outcome: VaultOutcome, at now: BootInstant, random: some RandomSource
    ) -> Change {
        failures += 1
        guard failures >= limits.failures else { return .none }
        // A vault that fails again soon after it came back goes on counting.
        if let closedAt, now.duration(since: closedAt) >= lastRest { openings = 0 }
        rest(after: outcome, at: now, random: random)
        return .opened
    }

    private mutating func rest(after outcome: VaultOutcome, at now: BootInstant, random: some RandomSource) {
        openings += 1
        let length =
            outcome == .mistrusted
            ? limits.mistrustRest
            : min(limits.maximumRest, limits.rest * min(openings, 1_000))
        lastRest = max(limits.spacing, length * (1 - limits.jitter + 2 * limits.jitter * random.unit()))
        enter(.open(since: now, until: now + lastRest))
        checkAt = now + limits.spacing
    }

    private mutating func enter(_ state: State) {
        self.state = state
        failures = 0
        epoch += 1
    }
}
