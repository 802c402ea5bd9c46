internal import CofferCore
internal import Synchronization

/// A value that comes later, for any number of waiters, each of which waits no
/// longer than it wants to.
final class Eventual<Value: Sendable>: Sendable {
    private struct State: ~Copyable {
        var value: Value?
        var waiters: [Int: CheckedContinuation<Value?, Never>] = [:]
        /// Who stopped waiting before it began.
        var gone: Set<Int> = []
        var tickets = 0
    }

    private let state = Mutex(State())

    /// Gives the value to those who wait and to those who come. Once.
    func fulfil(_ value: Value) {
        let waiters = state.withLock { state in
            state.value = value
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.resume(returning: value) }
    }

    /// The value; nil when the deadline has passed or the task was cancelled.
    func value(before deadline: BootInstant, clock: any Clock) async -> Value? {
        let ticket = state.withLock { state in
            state.tickets += 1
            return state.tickets
        }
        let now = clock.boot
        guard now < deadline else { return state.withLock { $0.value } }
        let timer = Task {
            try? await Task.sleep(nanoseconds: deadline.nanoseconds - now.nanoseconds)
            if !Task.isCancelled { leave(ticket) }
        }
        defer { timer.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer: Value?? = state.withLock { state in
                    if let value = state.value { return .some(value) }
                    if state.gone.remove(ticket) != nil { return .some(nil) }
                    state.waiters[ticket] = continuation
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            leave(ticket)
        }
    }

    private func leave(_ ticket: Int) {
        let waiter = state.withLock { state in
            if let waiter = state.waiters.removeValue(forKey: ticket) { return Optional(waiter) }
            if state.value == nil { state.gone.insert(ticket) }
            return nil
        }
        waiter?.resume(returning: nil)
    }
}
