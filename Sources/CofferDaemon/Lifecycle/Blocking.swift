import Dispatch
import Synchronization

/// Runs work of Swift concurrency to its end on one of the daemon's own threads, which may block:
/// neither a reactor's nor one of Swift's pool.
final class Blocking<Value: Sendable>: Sendable {
    private let done = DispatchSemaphore(value: 0)
    private let value = Mutex<Value?>(nil)

    private init() {}

    /// - Returns: nil if it took longer than `patience`; its task is cancelled then.
    static func run(
        patience: DispatchTimeInterval = .never, _ work: @escaping @Sendable () async -> Value
    ) -> Value? {
        let waiting = Blocking()
        let task = Task {
            let value = await work()
            waiting.value.withLock { $0 = value }
            waiting.done.signal()
        }
        if waiting.done.wait(timeout: .now() + patience) == .timedOut { task.cancel() }
        return waiting.value.withLock { $0 }
    }
}
