import Synchronization

/// Counts, over all reactors, what each uid has open.
final class UIDLedger: Sendable {
    private struct Counts {
        var connections = 0
        var calls = 0
    }

    private let state = Mutex<(total: Int, byUID: [UInt32: Counts])>((0, [:]))
    private let limits: ServerLimits

    init(limits: ServerLimits) { self.limits = limits }

    /// False if this uid, or all together, have as many as they may.
    func openConnection(uid: UInt32) -> Bool {
        state.withLock { state in
            guard state.total < limits.connections,
                state.byUID[uid, default: Counts()].connections < limits.connectionsPerUID
            else { return false }
            state.total += 1
            state.byUID[uid, default: Counts()].connections += 1
            return true
        }
    }

    func closeConnection(uid: UInt32) {
        state.withLock { state in
            state.total -= 1
            state.byUID[uid]?.connections -= 1
            if let counts = state.byUID[uid], counts.connections == 0, counts.calls == 0 {
                state.byUID[uid] = nil
            }
        }
    }

    /// False if this uid has as many calls waiting as it may.
    func beginCall(uid: UInt32) -> Bool {
        state.withLock { state in
            guard state.byUID[uid, default: Counts()].calls < limits.callsPerUID else { return false }
            state.byUID[uid, default: Counts()].calls += 1
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
