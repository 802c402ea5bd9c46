package import CofferCore

/// A vault behind the decisions of a ``AdmissionState``: asked by so many calls at a
/// time, again where that does no harm, and not at all while it keeps failing.
///
/// Every failure that leaves it names the vault.
package final class GuardedVault: VaultAdapter {
    private let vault: any VaultAdapter
    private let limits: VaultLimits
    private let clock: any Clock
    private let random: any RandomSource
    private let sleeper: any Sleeper
    private let admission: AdmissionController

    package init(
        _ vault: any VaultAdapter, limits: VaultLimits = VaultLimits(), clock: any Clock,
        random: any RandomSource, sleeper: any Sleeper
    ) {
        self.vault = vault
        self.limits = limits
        self.clock = clock
        self.random = random
        self.sleeper = sleeper
        admission = AdmissionController(vault: vault.name, limits: limits, clock: clock, random: random, sleeper: sleeper)
    }

    package var name: String { vault.name }
    package var kind: String { vault.kind }
    package var capabilities: VaultCapabilities { vault.capabilities }
    package var identity: [UInt8] { vault.identity }
    package var changes: VaultChanges? { vault.changes }

    /// What its calls say about the vault; asks nobody.
    package var health: VaultHealth {
        let now = clock.boot
        return admission.withState { $0.health(kind: vault.kind, now: now) }
    }

    /// When a check may look whether the vault answers again; nil = it is asked as ever.
    package var nextCheck: BootInstant? { admission.withState { $0.nextCheck } }

    /// What may have kept calls from it was changed, its certificates or credentials: if the breaker is open,
    /// the next call finds out at once.
    package func noteRepair() {
        let now = clock.boot
        admission.withState { $0.noteRepair(at: now) }
    }

    // MARK: The calls

    package func read(_ key: VaultKey, deadline: BootInstant) async throws(Failure) -> VaultItem? {
        if capabilities.localReads { return try await alone { () throws(Failure) in try await vault.read(key, deadline: deadline) } }
        return try await one(.always, deadline) { limit throws(Failure) in
            try await vault.read(key, deadline: limit)
        }
    }

    /// One place for all keys; a retry asks for those again that failed.
    package func readMany(_ keys: [VaultKey], deadline: BootInstant) async -> [Result<VaultItem?, Failure>] {
        if capabilities.localReads {
            return await vault.readMany(keys, deadline: deadline).map { outcome in outcome.mapError { named($0) } }
        }
        var outcomes = [Result<VaultItem?, Failure>?](repeating: nil, count: keys.count)
        var open = Array(keys.indices)
        guard !open.isEmpty else { return [] }
        let failure = await run(.always, deadline) { limit in
            let allowance = limit.duration(since: clock.boot)
            let answers = await vault.readMany(open.map { keys[$0] }, deadline: limit)
            for (index, answer) in zip(open, answers) { outcomes[index] = answer.mapError { explained($0, allowance) } }
            let asked = open.count
            open = open.filter { (outcomes[$0]?.failure?.effects.vault ?? .answered) != .answered }
            let failures = open.compactMap { outcomes[$0]?.failure }
            // One that says something about the vault, if there is one.
            let failure = failures.first { $0.effects.vault != .silent } ?? failures.first
            return Ending(failure: failure, hasAnswer: open.count < asked)
        }
        return outcomes.map { outcome in
            (outcome ?? .failure(failure ?? Self.noOutcome)).mapError { named($0) }
        }
    }

    package func write(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> VaultReceipt {
        let isRepeatable = condition == .none && capabilities.repeatableWrites
        return try await one(isRepeatable ? .always : .ifUnsent, deadline) { limit throws(Failure) in
            try await vault.write(key, item, condition: condition, deadline: limit)
        }
    }

    package func remove(
        _ key: VaultKey, ifVersion: String?, deadline: BootInstant
    ) async throws(Failure) -> Bool {
        let isRepeatable = ifVersion == nil && capabilities.repeatableWrites
        return try await one(isRepeatable ? .always : .ifUnsent, deadline) { limit throws(Failure) in
            try await vault.remove(key, ifVersion: ifVersion, deadline: limit)
        }
    }

    package func list(
        user: VaultUser?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> VaultPage {
        if capabilities.localReads {
            return try await alone { () throws(Failure) in
                try await vault.list(user: user, after: cursor, limit: limit, deadline: deadline)
            }
        }
        return try await one(.always, deadline) { end throws(Failure) in
            try await vault.list(user: user, after: cursor, limit: limit, deadline: end)
        }
    }

    /// Goes to the vault whatever the breaker says, and is told to it: see
    /// ``CircuitBreaker/noteCheck(_:at:random:)``.
    package func check(deadline: BootInstant) async throws(Failure) {
        let began = clock.boot
        admission.withState { $0.beginCheck(at: began, random: random) }
        let end = min(deadline, began + limits.timeout)
        let allowance = end.duration(since: began)
        do throws(Failure) {
            try await vault.check(deadline: end)
            noteCheck(nil, allowance)
        } catch {
            noteCheck(error, allowance)
            var failure = named(error)
            failure.hadLittleTime = allowance < limits.patience
            throw failure
        }
    }

    package func close() async {
        admission.close()
        await vault.close()
    }

    /// Of a vault whose reads ask nobody.
    private func alone<R: Sendable>(_ call: () async throws(Failure) -> R) async throws(Failure) -> R {
        do throws(Failure) {
            return try await call()
        } catch {
            throw named(error)
        }
    }

    // MARK: Running a call

    /// How one attempt has ended.
    private struct Ending: Sendable {
        /// nil = answered whole.
        var failure: Failure?
        var hasAnswer = false
    }

    private static let noOutcome = Failure.internalError("a call to a vault has ended without an outcome")

    // Inlined, as what it calls: an async function of its own costs about what a
    // whole call here does.
    @inline(__always)
    private func one<R: Sendable>(
        _ repeatability: RetryPolicy.Repeatability, _ deadline: BootInstant,
        _ call: (_ deadline: BootInstant) async throws(Failure) -> R
    ) async throws(Failure) -> R {
        var result = Result<R, Failure>.failure(Self.noOutcome)
        let failure = await run(repeatability, deadline) { limit in
            do throws(Failure) {
                result = .success(try await call(limit))
                return Ending()
            } catch {
                return Ending(failure: error)
            }
        }
        if let failure { throw failure }
        return try result.get()
    }

    /// Makes attempts until one is answered or the failure stands.
    @inline(__always)
    private func run(
        _ repeatability: RetryPolicy.Repeatability, _ deadline: BootInstant,
        _ attempt: (_ deadline: BootInstant) async -> Ending
    ) async -> Failure? {
        let allowance = deadline.duration(since: clock.boot)
        admission.withState { $0.beginCall() }
        defer { admission.withState { $0.endCall() } }
        var number = 1
        var before = Before()
        while true {
            let isRetry = number > 1
            var failure: Failure?
            do throws(Failure) {
                failure = try await once(deadline, attempt)
            } catch {
                // Turned away: nothing of this attempt was sent, but of one before maybe.
                if isRetry { admission.withState { $0.endRetry() } }
                return before.and(error)
            }
            if isRetry { admission.withState { $0.endRetry() } }
            guard var failure else { return nil }
            failure.hadLittleTime = allowance < limits.patience
            before.note(failure)
            failure = before.and(failure)
            guard let next = grantRetry(number, repeatability, failure, deadline) else { return named(failure) }
            do {
                try await sleeper.sleep(until: next)
            } catch {
                admission.withState { $0.endRetry() }
                return before.and(.cancelled(name))
            }
            number += 1
        }
    }

    /// One attempt: waits for a place, makes it, and gives the place back.
    ///
    /// - Returns: how it failed; nil = answered whole.
    /// - Throws: when there was no place.
    @inline(__always)
    private func once(
        _ deadline: BootInstant, _ attempt: (_ deadline: BootInstant) async -> Ending
    ) async throws(Failure) -> Failure? {
        let pass = try await admission.enter(deadline: deadline)
        let began = clock.boot
        let end = min(deadline, began + limits.timeout)
        let allowance = end.duration(since: began)
        var ending = await attempt(end)
        ending.failure = ending.failure.map { explained($0, allowance) }
        let over = AdmissionState.Attempt(
            pass: pass, failure: ending.failure, hasAnswer: ending.hasAnswer, began: began,
            allowance: allowance)
        let (now, wall) = (clock.boot, clock.wall)
        admission.withState { ((), $0.leave(over, now: now, wall: wall, random: random)) }
        return ending.failure
    }

    /// Says whose time ran out. A read has as long as the vault, and has spent some of it on the way here.
    private func explained(_ failure: Failure, _ allowance: Duration) -> Failure {
        allowance < limits.timeout * 0.9 ? failure : failure.ofTimeout(limits.timeout.wholeMilliseconds)
    }

    private func grantRetry(
        _ number: Int, _ repeatability: RetryPolicy.Repeatability, _ failure: Failure, _ deadline: BootInstant
    ) -> BootInstant? {
        let attempt = RetryPolicy.Attempt(
            number: number, repeatability: repeatability, failure: failure, deadline: deadline)
        let now = clock.boot
        return admission.withState { $0.grantRetry(after: attempt, now: now, random: random) }
    }

    private func noteCheck(_ failure: Failure?, _ allowance: Duration) {
        let (now, wall) = (clock.boot, clock.wall)
        admission.withState {
            ((), $0.noteCheck(failure, allowance: allowance, now: now, wall: wall, random: random))
        }
    }

    /// What the attempts of a call have done so far.
    private struct Before {
        private var mayHaveArrived = false
        private var mayHaveWritten = false

        mutating func note(_ failure: Failure) {
            mayHaveArrived = mayHaveArrived || !failure.isUnsent
            mayHaveWritten = mayHaveWritten || failure.mayHaveWritten
        }

        /// The failure of the call as a whole, which ends with this one.
        func and(_ failure: Failure) -> Failure {
            var failure = failure
            failure.isUnsent = !mayHaveArrived
            failure.mayHaveWritten = mayHaveWritten
            return failure
        }
    }

    private func named(_ failure: Failure) -> Failure {
        var failure = failure
        if failure.vault.isEmpty { failure.vault = name }
        return failure
    }
}

extension Result {
    fileprivate var failure: Failure? {
        if case .failure(let failure) = self { failure } else { nil }
    }
}
