internal import Synchronization

/// Counts the calls under way; once it is closed no call begins, and `close`
/// returns when the last has ended.
package final class CallGate: Sendable {
    private struct State: ~Copyable {
        var calls = 0
        var isClosed = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    package init() {}

    /// False if it is closed; each true is followed by a `leave`.
    package func enter() -> Bool {
        state.withLock { state in
            guard !state.isClosed else { return false }
            state.calls += 1
            return true
        }
    }

    package func leave() {
        let waiters = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            state.calls -= 1
            guard state.calls == 0 else { return [] }
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    package func close() async {
        await withCheckedContinuation { continuation in
            let isDone = state.withLock { state in
                state.isClosed = true
                if state.calls > 0 { state.waiters.append(continuation) }
                return state.calls == 0
            }
            if isDone { continuation.resume() }
        }
    }
}
