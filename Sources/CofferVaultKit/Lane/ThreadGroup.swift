package import CofferCore
internal import Synchronization

/// Threads that somebody waits for without blocking.
package final class ThreadGroup: Sendable {
    private struct State {
        var running = 0
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    package init() {}

    /// - Throws: RESOURCE_EXHAUSTED when the system gives no thread.
    package func start(_ name: String, _ body: @escaping @Sendable () -> Void) throws(Failure) {
        state.withLock { $0.running += 1 }
        do {
            try WorkerThread(name: name) { [self] in
                body()
                end()
            }.detach()
        } catch {
            end()
            throw error
        }
    }

    /// Returns when every thread started has ended.
    package func ended() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if state.running > 0 { state.waiting.append(continuation) }
                return state.running == 0
            }
            if isOver { continuation.resume() }
        }
    }

    private func end() {
        let waiting = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            state.running -= 1
            guard state.running == 0 else { return [] }
            // Others may still be started, and end in turn.
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}
