import CofferCore
import Synchronization

/// Counts, over all reactors, what each uid has open.
final class UIDLedger: Sendable {
    // A class: a call changes a number in it, and not the dictionary.
    private final class Counts {
        var connections = 0
        /// Weights of calls whose work is not done.
        var work = 0

        var isIdle: Bool { connections == 0 && work == 0 }
    }

    private struct State {
        var limits: ServerLimits
        var total = 0
        var work = 0
        var byUID: [UInt32: Counts] = [:]

        mutating func counts(of uid: UInt32) -> Counts {
            if let known = byUID[uid] { return known }
            let new = Counts()
            byUID[uid] = new
            return new
        }
    }

    private let state: Mutex<State>

    init(limits: ServerLimits) { state = Mutex(State(limits: limits)) }

    /// Holds from the next connection and call on; what is open beyond a lower limit stays.
    var limits: ServerLimits {
        get { state.withLock { $0.limits } }
        set { state.withLock { $0.limits = newValue } }
    }

    /// False if this uid, or all together, have as many as they may.
    func openConnection(uid: UInt32) -> Bool {
        state.withLock { state in
            guard state.total < state.limits.connections else { return false }
            let counts = state.counts(of: uid)
            guard counts.connections < state.limits.connectionsPerUID else { return false }
            state.total += 1
            counts.connections += 1
            return true
        }
    }

    func closeConnection(uid: UInt32) {
        state.withLock { state in
            state.total -= 1
            guard let counts = state.byUID[uid] else { return }
            counts.connections -= 1
            if counts.isIdle { state.byUID[uid] = nil }
        }
    }

    /// Counts a call until its work is done.
    ///
    /// - Parameters:
    ///   - weight: what it counts for; at most as much as there may be.
    ///   - claims: what else it counts for.
    /// - Throws: RESOURCE_EXHAUSTED if this uid, or all together, have as much in hand as they may.
    func beginWork(
        _ kind: PendingCall.Kind, uid: UInt32, weight: Int, claims: [FlightClaim] = []
    ) throws(Failure) -> CallWork {
        let (refusal, weight) = state.withLock { state -> (Failure?, Int) in
            let limits = state.limits
            let weight = min(weight, limits.callsPerUID, limits.calls)
            let counts = state.counts(of: uid)
            guard counts.work + weight <= kind.limit(limits.callsPerUID) else { return (.tooManyCalls(limits.callsPerUID), 0) }
            guard state.work + weight <= kind.limit(limits.calls) else { return (.tooManyCallsInAll(limits.calls), 0) }
            counts.work += weight
            state.work += weight
            return (nil, weight)
        }
        if let refusal { throw refusal }
        return CallWork(uid: uid, weight: weight, ledger: self, claims: claims)
    }

    func endWork(uid: UInt32, weight: Int) {
        state.withLock { state in
            state.work -= weight
            guard let counts = state.byUID[uid] else { return }
            counts.work -= weight
            if counts.isIdle { state.byUID[uid] = nil }
        }
    }

    var connections: Int { state.withLock { $0.total } }
    /// Weights of all calls whose work is not done.
    var work: Int { state.withLock { $0.work } }
}
