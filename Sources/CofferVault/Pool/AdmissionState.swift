package import CofferCore

/// All decisions about the calls to one vault, as one pure state: the breaker,
/// the places and the queue for them, retries, and what is known of the vault.
///
/// A call is begun, entered once for each attempt, left after it, and ended.
/// Whoever waits in the queue is told by the wakes that other calls give back.
package struct AdmissionState: Sendable {
    /// What a call that wants to enter gets.
    package enum Entry: Sendable {
        case go(CircuitBreaker.Pass)
        case wait
        case refused(Failure)
    }

    /// An attempt that has come to its end.
    package struct Attempt: Sendable {
        package var pass: CircuitBreaker.Pass
        /// nil = it was answered.
        package var failure: Failure?
        /// Something of what was asked for came, whatever the failure.
        package var hasAnswer: Bool
        package var began: BootInstant
        /// How much time it was given.
        package var allowance: Duration

        package init(
            pass: CircuitBreaker.Pass, failure: Failure?, hasAnswer: Bool, began: BootInstant, allowance: Duration
        ) {
            self.pass = pass
            self.failure = failure
            self.hasAnswer = hasAnswer
            self.began = began
            self.allowance = allowance
        }
    }

    /// What somebody in the queue is to be told.
    package struct Wake: Sendable {
        package let id: UInt64
        package let result: Result<CircuitBreaker.Pass, Failure>
    }

    private let vault: String
    private let limits: VaultLimits
    private var breaker: CircuitBreaker
    private var ramp: AdmissionRamp
    private var queue: AdmissionQueue
    private var retry: RetryPolicy
    private var record = VaultStatistics()
    /// When the last of those who were refused was told to come back.
    private var lastReturn: BootInstant?
    private var inFlight = 0
    private var active = 0

    /// - Parameter vault: its name, for messages.
    package init(vault: String, limits: VaultLimits) {
        self.vault = vault
        self.limits = limits
        breaker = CircuitBreaker(limits: limits.breaker)
        ramp = AdmissionRamp(limits: limits.admission)
        queue = AdmissionQueue(capacity: limits.maximumQueued, share: limits.queueShare)
        retry = RetryPolicy(limits: limits.retry)
    }

    // MARK: Calls

    package mutating func beginCall() { active += 1 }

    package mutating func endCall() { active -= 1 }

    /// Asks for a place. `wait` changes nothing yet: see `enqueue`.
    ///
    /// - Parameter uid: whose share of the queue it would take; nil = nobody's.
    package mutating func enter(
        deadline: BootInstant, uid: UInt32? = nil, now: BootInstant, random: some RandomSource
    ) -> Entry {
        guard now < deadline else { return reject(.notAdmitted(vault, waited: .zero)) }
        if breaker.refuses(at: now) { return reject(refusal(at: now, random)) }
        if breaker.state == .closed {
            guard queue.isEmpty, inFlight < ramp.limit, ramp.mayBegin(at: now) else {
                guard queue.hasRoom(for: uid) else { return reject(queueFull(random)) }
                return .wait
            }
        }
        return admit(at: now).map { .go($0) } ?? reject(refusal(at: now, random))
    }

    /// Takes a place in the queue after all that was so at `enter` is asked
    /// again; only `wait` means that `id` is in the queue.
    package mutating func enqueue(
        _ id: UInt64, deadline: BootInstant, uid: UInt32? = nil, now: BootInstant, random: some RandomSource
    ) -> Entry {
        let entry = enter(deadline: deadline, uid: uid, now: now, random: random)
        if case .wait = entry {
            guard queue.append(AdmissionQueue.Waiter(id: id, since: now, deadline: deadline, uid: uid)) else {
                return reject(queueFull(random))
            }
        }
        return entry
    }

    /// The attempt is over.
    package mutating func leave(
        _ attempt: Attempt, now: BootInstant, wall: WallMilliseconds, random: some RandomSource
    ) -> [Wake] {
        inFlight -= 1
        let outcome = outcome(of: attempt)
        retry.note(outcome)
        record.note(
            outcome, attempt.failure, latency: now.duration(since: attempt.began), wall: wall)
        if outcome == .answered { ramp.noteAnswer() }
        return apply(breaker.end(attempt.pass, outcome, at: now, random: random), now, random)
    }

    /// When a check may look whether the vault answers again; nil = calls find out.
    package var nextCheck: BootInstant? { breaker.nextCheck }

    /// What may have kept calls from the vault was changed.
    package mutating func noteRepair(at now: BootInstant) { breaker.noteRepair(at: now) }

    /// A check of the vault, which needs no place, begins.
    package mutating func beginCheck(at now: BootInstant, random: some RandomSource) {
        breaker.beginCheck(at: now, random: random)
        noteRest()
    }

    /// A check of the vault is over.
    package mutating func noteCheck(
        _ failure: Failure?, allowance: Duration, now: BootInstant, wall: WallMilliseconds,
        random: some RandomSource
    ) -> [Wake] {
        let outcome = outcome(failure, allowance)
        record.noteCheck(outcome, failure, wall: wall)
        return apply(breaker.noteCheck(outcome, at: now, random: random), now, random)
    }

    /// When the call is to enter again; nil = its failure stands.
    package mutating func grantRetry(
        after attempt: RetryPolicy.Attempt, now: BootInstant, random: some RandomSource
    ) -> BootInstant? {
        let next = retry.grantRetry(after: attempt, active: active, now: now, random: random)
        if next != nil { record.retries += 1 }
        return next
    }

    package mutating func endRetry() { retry.endRetry() }

    // MARK: The queue

    /// The waiter went away. True if it was waiting.
    package mutating func abandon(_ id: UInt64) -> Bool { queue.remove(id) }

    /// Time has passed: somebody's is over, or somebody may begin.
    package mutating func turn(now: BootInstant) -> [Wake] {
        let expired = queue.removeExpired(at: now).map { waiter in
            let waited = now.duration(since: waiter.since)
            return Wake(id: waiter.id, result: .failure(.notAdmitted(vault, waited: waited)))
        }
        record.rejected += UInt64(expired.count)
        return expired + admitWaiting(at: now)
    }

    /// When `turn` has to be called next; nil = nobody waits.
    package func nextTurn(after now: BootInstant) -> BootInstant? {
        guard let deadline = queue.earliestDeadline else { return nil }
        return inFlight < ramp.limit ? min(deadline, ramp.nextBegin(after: now)) : deadline
    }

    /// Sends everybody who waits away.
    package mutating func close() -> [Wake] { dismiss { .poolClosed($0.vault) } }

    // MARK: What is known

    /// A snapshot at `now`.
    package func health(kind: String, now: BootInstant) -> VaultHealth {
        var refusedFor = Duration.zero
        if case .open(_, let until) = breaker.state { refusedFor = until.duration(since: now) }
        return VaultHealth(
            name: vault, kind: kind, isReachable: record.isReachable, breaker: breaker.state,
            refusedFor: refusedFor, lastGoodContact: record.lastGoodContact, lastFailure: record.lastFailure,
            calls: record.calls, failures: record.failures, retries: record.retries, rejected: record.rejected,
            latencyMicroseconds: record.latencyMicroseconds, inFlight: inFlight, queued: queue.count,
            peakInFlight: record.peak, limit: ramp.limit, isRecovering: ramp.isRecovering(at: now))
    }

    // MARK: Parts

    private func outcome(of attempt: Attempt) -> VaultOutcome {
        attempt.hasAnswer ? .answered : outcome(attempt.failure, attempt.allowance)
    }

    private func outcome(_ failure: Failure?, _ allowance: Duration) -> VaultOutcome {
        guard let failure else { return .answered }
        if failure.code == .deadlineExceeded && allowance < limits.patience { return .silent }
        return failure.effects.vault
    }

    private mutating func admit(at now: BootInstant) -> CircuitBreaker.Pass? {
        guard let pass = breaker.begin(at: now) else { return nil }
        ramp.noteBegin(at: now)
        inFlight += 1
        record.calls += 1
        record.peak = max(record.peak, inFlight)
        return pass
    }

    private mutating func admitWaiting(at now: BootInstant) -> [Wake] {
        var wakes: [Wake] = []
        while !queue.isEmpty, breaker.state == .closed, inFlight < ramp.limit, ramp.mayBegin(at: now),
            let pass = admit(at: now), let waiter = queue.popFirst()
        {
            wakes.append(Wake(id: waiter.id, result: .success(pass)))
        }
        return wakes
    }

    private mutating func apply(
        _ change: CircuitBreaker.Change, _ now: BootInstant, _ random: some RandomSource
    ) -> [Wake] {
        switch change {
        case .opened:
            ramp.pause(at: now)
            noteRest()
            return dismiss { admission in admission.refusal(at: now, random) }
        case .closed:
            ramp.recover(at: now, lastReturn: lastReturn)
        case .none: break
        }
        return admitWaiting(at: now)
    }

    private mutating func noteRest() {
        guard case .open(_, let until) = breaker.state else { return }
        lastReturn = max(lastReturn ?? until, until + Failure.longestSpread)
    }

    private mutating func dismiss(_ failure: (Self) -> Failure) -> [Wake] {
        let waiters = queue.removeAll()
        record.rejected += UInt64(waiters.count)
        return waiters.map { Wake(id: $0.id, result: .failure(failure(self))) }
    }

    private mutating func reject(_ failure: Failure) -> Entry {
        record.rejected += 1
        return .refused(failure)
    }

    private func refusal(at now: BootInstant, _ random: some RandomSource) -> Failure {
        if case .open(let since, let until) = breaker.state {
            .resting(
                vault, since: since, until: until, now: now, cause: record.lastFailure, spread: random.unit())
        } else {
            .probing(vault, rest: breaker.lastRest, cause: record.lastFailure, spread: random.unit())
        }
    }

    /// The advice is about as long as the queue takes, spread by half.
    private func queueFull(_ random: some RandomSource) -> Failure {
        let milliseconds =
            Double(record.latencyMicroseconds) / 1_000 * Double(queue.count) / Double(ramp.limit)
        let advice = min(5_000, max(50, milliseconds)) * (1 + random.unit() / 2)
        guard queue.count >= queue.capacity else {
            return .queueShareFull(vault, share: queue.share, advice: UInt32(advice))
        }
        return .queueFull(vault, queued: queue.count, inFlight: inFlight, advice: UInt32(advice))
    }
}
