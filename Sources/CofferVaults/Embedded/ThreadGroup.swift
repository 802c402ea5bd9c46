internal import Foundation
internal import Synchronization

/// Threads that somebody waits for without blocking.
final class ThreadGroup: Sendable {
    private struct State {
        var running = 0
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    func start(_ name: String, _ body: @escaping @Sendable () -> Void) {
        state.withLock { $0.running += 1 }
        Thread { [self] in
            // From inside: on Linux the kernel learns a name only so.
            Thread.current.name = name
            body()
            end()
        }.start()
    }

    /// Returns when every thread started has ended.
    func ended() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if state.running > 0 { state.waiting.append(continuation) }
                return state.running == 0
            }
            if isOver { continuation.resume() }
        }
    }

    private func end() {
        let waiting = state.withLock { state in
            state.running -= 1
            return state.running == 0 ? state.waiting : []
        }
        for continuation in waiting { continuation.resume() }
    }
}
