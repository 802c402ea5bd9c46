import CofferCache
import Synchronization

/// Tasks that wait for flights, by numbers of their own.
final class WaitingTasks: Sendable {
    private struct State {
        var last: UInt64 = 0
        var waiting: [UInt64: CheckedContinuation<Reply, Never>] = [:]
    }

    private let state = Mutex(State())

    /// A number that no other task gets.
    func newNumber() -> UInt64 {
        state.withLock { state in
            state.last += 1
            return state.last
        }
    }

    func wait(_ number: UInt64, _ continuation: CheckedContinuation<Reply, Never>) {
        state.withLock { $0.waiting[number] = continuation }
    }

    /// The task goes on with the reply, unless it has one.
    func resume(_ number: UInt64, _ reply: Reply) {
        state.withLock { $0.waiting.removeValue(forKey: number) }?.resume(returning: reply)
    }
}
