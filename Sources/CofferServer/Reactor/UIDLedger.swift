import Synchronization

/// Counts, over all reactors, what each uid has open.
final class UIDLedger: Sendable {
    // A class: a call changes a number in it, and not the dictionary.
    private final class Counts {
        var connections = 0
        var calls = 0
    }

    private struct State {
        var total = 0
        var byUID: [UInt32: Counts] = [:]

        mutating func counts(of uid: UInt32) -> Counts {
            if let known = byUID[uid] { return known }
            let new = Counts()
            byUID[uid] = new
            return new
        }
    }

    private let state = Mutex(State())
    private let limits: ServerLimits

    init(limits: ServerLimits) { self.limits = limits }

    /// False if this uid, or all together, have as many as they may.
    func openConnection(uid: UInt32) -> Bool {
        state.withLock { state in
            guard state.total < limits.connections else { return false }
            let counts = state.counts(of: uid)
            guard counts.connections < limits.connectionsPerUID else { return false }
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
            if counts.connections == 0, counts.calls == 0 { state.byUID[uid] = nil }
        }
    }

    /// False if this uid has as many calls waiting as it may.
    func beginCall(uid: UInt32) -> Bool {
        state.withLock { state in
            let counts = state.counts(of: uid)
            guard counts.calls < limits.callsPerUID else { return false }
            counts.calls += 1
            return true
        }
    }

    func endCalls(uid: UInt32, _ count: Int = 1) {
        guard count > 0 else { return }
        state.withLock { $0.byUID[uid]?.calls -= count }
    }

    var connections: Int { state.withLock { $0.total } }
    var calls: Int { state.withLock { $0.byUID.values.reduce(0) { $0 + $1.calls } } }
}
