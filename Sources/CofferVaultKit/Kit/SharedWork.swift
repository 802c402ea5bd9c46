package import CofferCore
internal import Synchronization

/// Work that is done once for all who want it meanwhile, such as a login. Each waits no longer than its own
/// deadline; the work goes on then. Where it fails, one of them gets the failure, and the others get it as a remembered
/// one: so a vault's breaker counts it once.
package final class SharedWork<Success: Sendable>: Sendable {
    package typealias Outcome = Result<Success, Failure>

    private struct State: ~Copyable {
        /// Under way.
        var task: Task<Void, Never>?
        var waiting: [UInt64: CheckedContinuation<Outcome?, Never>] = [:]
        var lastNumber: UInt64 = 0
    }

    private let clock: any Clock
    private let sleep: @Sendable (Duration) async throws -> Void
    private let state = Mutex(State())

    /// - Parameter sleep: ends early, by throwing, when its task is cancelled.
    package init(
        clock: any Clock, sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    ) {
        self.clock = clock
        self.sleep = sleep
    }

    /// Begins `work` if none is under way, and waits for nothing.
    package func begin(_ work: @escaping @Sendable () async -> Outcome) { state.withLock { launch(&$0, work) } }

    package var isUnderWay: Bool { state.withLock { $0.task != nil } }

    /// What the work under way gives, or `work` if none is; nil when the deadline came first or the task was
    /// cancelled.
    package func outcome(by deadline: BootInstant, _ work: @escaping @Sendable () async -> Outcome) async -> Outcome? {
        let now = clock.boot
        guard now < deadline, !Task.isCancelled else { return nil }
        let left = Duration.nanoseconds(Int64(clamping: deadline.nanoseconds - now.nanoseconds))
        let number = state.withLock { state in
            state.lastNumber += 1
            return state.lastNumber
        }
        var timer: Task<Void, Never>?
        defer { timer?.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                state.withLock { state in
                    state.waiting[number] = continuation
                    launch(&state, work)
                }
                timer = Task {
                    try? await sleep(left)
                    giveUp(number)
                }
                // The handler may have run before there was anything to give up.
                if Task.isCancelled { giveUp(number) }
            }
        } onCancel: {
            giveUp(number)
        }
    }

    /// Cancels the task of the work under way.
    package func cancel() { state.withLock { $0.task?.cancel() } }

    private func launch(_ state: inout State, _ work: @escaping @Sendable () async -> Outcome) {
        guard state.task == nil else { return }
        state.task = Task { finish(await work()) }
    }

    private func finish(_ outcome: Outcome) {
        let all = state.withLock { state in
            state.task = nil
            defer { state.waiting = [:] }
            return Array(state.waiting.values)
        }
        all.first?.resume(returning: outcome)
        for continuation in all.dropFirst() { continuation.resume(returning: outcome.mapError(\.remembered)) }
    }

    private func giveUp(_ number: UInt64) {
        state.withLock { $0.waiting.removeValue(forKey: number) }?.resume(returning: nil)
    }
}
