import CofferCore
import CofferWire
import Logging
import Synchronization

/// What recent calls say about a vault.
package final class VaultStatus: Sendable {
    /// What a call asks of the vault. One kind may fail while another works: a policy
    /// that forbids to write, a full disk.
    package enum Work: Hashable, Sendable {
        case read, write, list
        /// Reads, and writes where the vault is ours.
        case check
    }

    private struct State {
        var lastGoodContact: WallMilliseconds = 0
        var lastFailure = Failure.Reason.unspecified
        var lastFailureAt: WallMilliseconds = 0
        var calls: UInt64 = 0
        var reads: UInt64 = 0
        var failures: UInt64 = 0
        /// What has failed since it last worked, and whether the failure was the whole vault's.
        var failing: [Work: Bool] = [:]
        var hasWritten = false
        /// Why the last write failed that others would have failed like, until one works.
        var writeFailure = Failure.Reason.unspecified
        var silence = VaultSilence()
        /// Before these, a record that does not open and a refused call are not told again.
        var nextUnreadableReport = BootInstant(nanoseconds: 0)
        var nextRefusalReport = BootInstant(nanoseconds: 0)
        /// The cause that was logged last of the outage that goes on, and before when no other one is.
        var loggedCause: Cause?
        var nextCauseReport = BootInstant(nanoseconds: 0)

        mutating func count(_ failure: Failure, at wall: WallMilliseconds) {
            calls += 1
            failures += 1
            lastFailure = failure.reason
            lastFailureAt = wall
        }
    }

    /// Failures with one cause, whatever numbers their messages hold.
    private struct Cause: Equatable {
        private let code: StatusCode
        private let reason: Failure.Reason
        private let message: String

        init(_ failure: Failure) {
            (code, reason) = (failure.code, failure.reason)
            message = failure.message.filter { !$0.isNumber }
        }
    }

    private let state = Mutex(State())
    private let vault: String
    private let clock: any Clock
    private let log: Logger
    private let checksWrites: Bool
    private let localReads: Bool

    /// - Parameters:
    ///   - checksWrites: its check writes, too.
    ///   - localReads: what reads it asks no server: how they end says nothing of the vault's.
    init(vault: String, checksWrites: Bool, localReads: Bool = false, clock: any Clock, log: Logger) {
        self.vault = vault
        self.checksWrites = checksWrites
        self.localReads = localReads
        self.clock = clock
        self.log = log
    }

    /// The vault is asked; `end` must follow.
    func begin(_ work: Work) {
        let now = clock.boot
        state.withLock { state in
            if work == .read { state.reads += 1 }
            if asksServer(work) { state.silence.begin(at: now) }
        }
    }

    /// What `begin` has begun came back.
    func end(_ work: Work, _ failure: Failure? = nil) {
        let now = clock.boot
        if asksServer(work) { state.withLock { $0.silence.end(failure, at: now) } }
        if let failure { noteFailure(failure, work) } else { noteSuccess(work) }
    }

    /// Milliseconds for which the vault has answered nothing of what it was asked; 0 = nothing is unanswered.
    func silence(at now: BootInstant) -> UInt64 { state.withLock { $0.silence.since }.map(now.milliseconds) ?? 0 }

    private func asksServer(_ work: Work) -> Bool { !(localReads && (work == .read || work == .list)) }

    /// A call came back. Unless it asked no server, it shows that login and permission are right.
    func noteSuccess(_ work: Work) {
        guard asksServer(work) else { return state.withLock { $0.calls += 1 } }
        let (now, boot) = (clock.wall, clock.boot)
        let (writes, checksWrites) = (isWrite(work), checksWrites)
        let recovered = state.withLock { state in
            state.calls += 1
            state.lastGoodContact = now
            state.silence.noteAnswer(at: boot)
            if writes { state.hasWritten = true }
            guard !state.failing.isEmpty else { return false }
            state.failing = state.failing.filter { failed, isWhole in
                if isWhole || failed == work { return false }
                return !(work == .check && (failed == .read || checksWrites))
            }
            if state.failing[.write] == nil && !(checksWrites && state.failing[.check] != nil) {
                // What ended an outage may have read: whether writes work again is not known then.
                if state.writeFailure != .unspecified && !writes { state.hasWritten = false }
                state.writeFailure = .unspecified
            }
            return state.failing.isEmpty
        }
        if recovered { log.notice("vault recovered", metadata: ["vault": "\(vault)"]) }
    }

    private func isWrite(_ work: Work) -> Bool { work == .write || (work == .check && checksWrites) }

    /// A refusal by a rule of ours says nothing about the vault, and a condition not met is
    /// an answer, not a fault.
    func noteFailure(_ failure: Failure, _ work: Work) {
        var failure = failure
        // What another call met a moment ago holds for this one, too.
        failure.isRemembered = false
        switch failure.reason {
        case .cancelled: return
        // The vault has looked at the record; whether it would have let it be written is not said.
        case .versionMismatch, .alreadyExists: noteSuccess(work == .write ? .read : work)
        // The caller gave it no time.
        case .deadline where failure.isUnsent: state.withLock { $0.calls += 1 }
        case .badField, .credentialTooLarge, .notSupported:
            state.withLock { $0.calls += 1 }
        case .unreadableRecord:
            // The vault works; this record does not.
            state.withLock { $0.count(failure, at: clock.wall) }
            report("a record does not open", failure, next: \.nextUnreadableReport)
        default:
            guard isOutage(failure, work) else {
                state.withLock { $0.count(failure, at: clock.wall) }
                // By a rule for this record or call; others may not even know of it.
                if failure.effects.vault == .answered {
                    report("vault refused a call", failure, next: \.nextRefusalReport)
                }
                return
            }
            noteOutage(failure, work)
        }
    }

    /// Whether others meet it too: what one call alone has met, by its own short time or a rule for its
    /// record, is no outage.
    private func isOutage(_ failure: Failure, _ work: Work) -> Bool {
        let effects = failure.effects
        return switch effects.vault {
        case .transient, .mistrusted: true
        // A check asks for what every call needs.
        case .answered: effects.scope == .vault || work == .check || (isWrite(work) && effects.failsOtherWrites)
        case .silent: effects.scope == .vault
        case .limited: false
        }
    }

    private func noteOutage(_ failure: Failure, _ work: Work) {
        let writes = isWrite(work)
        let (now, cause) = (clock.boot, Cause(failure))
        let (began, hasChanged) = state.withLock { state in
            let began = state.failing.isEmpty
            state.failing[work] = failure.effects.scope == .vault
            state.count(failure, at: clock.wall)
            if writes, failure.effects.failsOtherWrites { state.writeFailure = failure.reason }
            if began { state.nextCauseReport = BootInstant(nanoseconds: 0) }
            let hasChanged = !began && state.loggedCause != cause && now >= state.nextCauseReport
            if hasChanged { state.nextCauseReport = now + Self.reportInterval }
            if began || hasChanged { state.loggedCause = cause }
            return (began, hasChanged)
        }
        // Told once, not with every call: Stats counts them.
        if began { log.error("vault unavailable", metadata: metadata(failure)) }
        if hasChanged { log.error("vault unavailable for another cause", metadata: metadata(failure)) }
    }

    /// Between two lines about the same, however often it happens.
    private static let reportInterval = Duration.seconds(60)

    /// Logs it once a minute at most, however often it happens.
    private func report(
        _ what: Logger.Message, _ failure: Failure, next: any WritableKeyPath<State, BootInstant> & Sendable
    ) {
        let now = clock.boot
        let isDue = state.withLock { state in
            guard now >= state[keyPath: next] else { return false }
            state[keyPath: next] = now + Self.reportInterval
            return true
        }
        if isDue { log.error(what, metadata: metadata(failure)) }
    }

    private func metadata(_ failure: Failure) -> Logger.Metadata {
        [
            "vault": "\(vault)", "status": "\(failure.code.name)", "reason": "\(failure.reason.name)",
            "cause": "\(failure.message)",
        ]
    }

    /// Says in `health` what is known here.
    func describe(in health: inout CofferWire.VaultHealth) {
        let state = state.withLock { $0 }
        health.lastGoodContact = state.lastGoodContact
        health.lastFailure = state.lastFailure
        health.lastFailureAt = state.lastFailureAt
        health.calls = state.calls
        health.failures = state.failures
        health.writes = state.writeFailure != .unspecified ? .fail : state.hasWritten ? .work : .unspecified
        health.writeFailure = state.writeFailure
    }

    var calls: UInt64 { state.withLock { $0.calls } }
    /// Records asked for one by one, answered or not.
    var reads: UInt64 { state.withLock { $0.reads } }
    var failures: UInt64 { state.withLock { $0.failures } }
}
