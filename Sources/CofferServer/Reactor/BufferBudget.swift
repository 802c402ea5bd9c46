import Synchronization

/// Counts, over all reactors, the bytes of memory that wait for clients: the starts of frames,
/// replies that nobody has read yet, and what large answers are made of.
///
/// What is sent and forgotten within one turn of a reactor is not counted.
final class BufferBudget: Sendable {
    private struct State {
        var limits: ServerLimits
        var total = 0
        var byUID: [UInt32: Int] = [:]
    }

    private let state: Mutex<State>

    init(limits: ServerLimits) { state = Mutex(State(limits: limits)) }

    /// Holds from the next reservation on.
    var limits: ServerLimits {
        get { state.withLock { $0.limits } }
        set { state.withLock { $0.limits = newValue } }
    }

    /// False, and nothing is counted, if this uid, or all together, would have more than they may.
    ///
    /// - Parameter part: 2 = only half of it is for this: what waits is not to keep the work that
    ///   it waits for from being done.
    func reserve(_ bytes: Int, uid: UInt32, part: Int = 1) -> Bool {
        state.withLock { state in
            guard state.total + bytes <= state.limits.bufferedBytes / part,
                state.byUID[uid, default: 0] + bytes <= state.limits.bufferedBytesPerUID / part
            else { return false }
            state.total += bytes
            state.byUID[uid, default: 0] += bytes
            return true
        }
    }

    func release(_ bytes: Int, uid: UInt32) {
        guard bytes > 0 else { return }
        state.withLock { state in
            state.total -= bytes
            let left = state.byUID[uid, default: 0] - bytes
            state.byUID[uid] = left > 0 ? left : nil
        }
    }

    var bytes: Int { state.withLock { $0.total } }
}

/// Bytes of a budget that are given back with the last reference.
final class BufferReservation: Sendable {
    private let budget: BufferBudget
    private let bytes: Int
    private let uid: UInt32

    /// Nil if there is no room.
    init?(_ bytes: Int, of budget: BufferBudget, uid: UInt32, part: Int = 1) {
        guard budget.reserve(bytes, uid: uid, part: part) else { return nil }
        self.budget = budget
        self.bytes = bytes
        self.uid = uid
    }

    deinit { budget.release(bytes, uid: uid) }
}
