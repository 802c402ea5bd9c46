internal import CofferCore
internal import CofferVaultKit
internal import Synchronization

/// One change of a secret at a time: others wait in the order in which they came, each until its own deadline.
final class FlyTurns: Sendable {
    private enum Outcome { case granted, late, cancelled }

    private struct State {
        var lastNumber: UInt64 = 0
        /// Of the secrets that are being changed: who waits, in order.
        var waiting: [ByteText: [(number: UInt64, continuation: CheckedContinuation<Outcome, Never>)]] = [:]
    }

    private let state = Mutex(State())
    private let clock: any Clock
    private let vault: String

    init(clock: any Clock, vault: String) { (self.clock, self.vault) = (clock, vault) }

    /// Runs `body` when it is its turn.
    ///
    /// - Throws: DEADLINE_EXCEEDED or CANCELLED before that, when nothing was done; what `body` throws.
    func during<R: Sendable>(
        _ name: ByteText, deadline: BootInstant, _ body: () async throws(Failure) -> R
    ) async throws(Failure) -> R {
        switch await take(name, deadline) {
        case .granted: break
        case .late: throw .notBegun(vault: vault)
        case .cancelled: throw .revoked(vault: vault)
        }
        defer { give(name) }
        return try await body()
    }

    private func take(_ name: ByteText, _ deadline: BootInstant) async -> Outcome {
        let number = state.withLock { state -> UInt64? in
            guard state.waiting[name] != nil else {
                state.waiting[name] = []
                return nil
            }
            state.lastNumber += 1
            return state.lastNumber
        }
        guard let number else { return .granted }
        let now = clock.boot
        guard now < deadline else { return .late }
        let left = Duration.nanoseconds(Int64(clamping: deadline.nanoseconds - now.nanoseconds))
        var timer: Task<Void, Never>?
        defer { timer?.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isFree = state.withLock { state in
                    // Whoever had the turn may have given it back meanwhile.
                    guard state.waiting[name] != nil else {
                        state.waiting[name] = []
                        return true
                    }
                    state.waiting[name]?.append((number, continuation))
                    return false
                }
                if isFree { return continuation.resume(returning: .granted) }
                timer = Task {
                    try? await Task.sleep(for: left)
                    leave(name, number, .late)
                }
                // The handler may have run before there was anything to leave.
                if Task.isCancelled { leave(name, number, .cancelled) }
            }
        } onCancel: {
            leave(name, number, .cancelled)
        }
    }

    private func give(_ name: ByteText) {
        let next = state.withLock { state -> CheckedContinuation<Outcome, Never>? in
            guard var waiting = state.waiting[name], !waiting.isEmpty else {
                state.waiting[name] = nil
                return nil
            }
            let first = waiting.removeFirst()
            state.waiting[name] = waiting
            return first.continuation
        }
        next?.resume(returning: .granted)
    }

    private func leave(_ name: ByteText, _ number: UInt64, _ outcome: Outcome) {
        let waiter = state.withLock { state -> CheckedContinuation<Outcome, Never>? in
            guard let index = state.waiting[name]?.firstIndex(where: { $0.number == number }) else { return nil }
            return state.waiting[name]?.remove(at: index).continuation
        }
        waiter?.resume(returning: outcome)
    }
}
