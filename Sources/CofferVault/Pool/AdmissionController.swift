import CofferCore
import Synchronization

/// Runs a ``AdmissionState``: keeps it behind a lock, lets tasks wait for their turn,
/// and wakes them. Nothing is awaited under the lock.
final class AdmissionController: Sendable {
    typealias Turn = Result<CircuitBreaker.Pass, Failure>

    private struct State {
        var admission: AdmissionState
        var waiting: [UInt64: CheckedContinuation<Turn, Never>] = [:]
        var lastID: UInt64 = 0
        var timer: Timer?
        var isClosed = false
    }

    /// Calls `turn` of the admission state when it is time.
    private struct Timer {
        let id: UInt64
        let due: BootInstant
        let task: Task<Void, Never>
    }

    private let state: Mutex<State>
    private let vault: String
    private let clock: any Clock
    private let random: any RandomSource
    private let sleeper: any Sleeper

    init(vault: String, limits: VaultLimits, clock: any Clock, random: any RandomSource, sleeper: any Sleeper) {
        state = Mutex(State(admission: AdmissionState(vault: vault, limits: limits)))
        self.vault = vault
        self.clock = clock
        self.random = random
        self.sleeper = sleeper
    }

    /// Reads or changes the admission state, and resumes the waiters that `body` returns.
    func withState<R: Sendable>(_ body: (inout AdmissionState) -> (R, [AdmissionState.Wake])) -> R {
        let (result, woken) = state.withLock { state in
            let (result, wakes) = body(&state.admission)
            return (result, settle(wakes, &state))
        }
        resume(woken)
        return result
    }

    func withState<R: Sendable>(_ body: (inout AdmissionState) -> R) -> R {
        state.withLock { body(&$0.admission) }
    }

    // MARK: Entering

    /// A pass, at once or when it is this call's turn.
    ///
    /// - Throws: when it is refused, its deadline passes, or its task is cancelled.
    @inline(__always)
    func enter(deadline: BootInstant) async throws(Failure) -> CircuitBreaker.Pass {
        switch ask(deadline) {
        case .go(let pass): return pass
        case .refused(let failure): throw failure
        case .wait: return try await wait(deadline: deadline).get()
        }
    }

    private func ask(_ deadline: BootInstant) -> AdmissionState.Entry {
        state.withLock { state in
            state.isClosed
                ? .refused(.poolClosed(vault))
                : state.admission.enter(deadline: deadline, uid: VaultCaller.uid, now: clock.boot, random: random)
        }
    }

    private func wait(deadline: BootInstant) async -> Turn {
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if let turn = enqueue(id, deadline, continuation) {
                    continuation.resume(returning: turn)
                } else if Task.isCancelled {
                    // The handler may have run before there was anything to cancel.
                    cancel(id)
                }
            }
        } onCancel: {
            self.cancel(id)
        }
    }

    /// The turn, if there is no need to wait after all.
    private func enqueue(
        _ id: UInt64, _ deadline: BootInstant, _ continuation: CheckedContinuation<Turn, Never>
    ) -> Turn? {
        state.withLock { state in
            guard !state.isClosed else { return .failure(.poolClosed(vault)) }
            switch state.admission.enqueue(id, deadline: deadline, uid: VaultCaller.uid, now: clock.boot, random: random) {
            case .go(let pass): return .success(pass)
            case .refused(let failure): return .failure(failure)
            case .wait:
                state.waiting[id] = continuation
                setTimer(&state)
                return nil
            }
        }
    }

    private func cancel(_ id: UInt64) {
        let continuation = state.withLock { state in
            state.admission.abandon(id) ? state.waiting.removeValue(forKey: id) : nil
        }
        continuation?.resume(returning: .failure(.cancelled(vault)))
    }

    /// Sends away who waits and who comes.
    func close() {
        let woken = state.withLock { state in
            state.isClosed = true
            return settle(state.admission.close(), &state)
        }
        resume(woken)
    }

    // MARK: Waking

    private typealias Woken = [(CheckedContinuation<Turn, Never>, Turn)]

    private func settle(_ wakes: [AdmissionState.Wake], _ state: inout State) -> Woken {
        var woken: Woken = []
        for wake in wakes {
            guard let continuation = state.waiting.removeValue(forKey: wake.id) else { continue }
            woken.append((continuation, wake.result))
        }
        setTimer(&state)
        return woken
    }

    private func resume(_ woken: Woken) {
        for (continuation, turn) in woken { continuation.resume(returning: turn) }
    }

    /// Sees that the timer is due when the admission state needs it, or before.
    private func setTimer(_ state: inout State) {
        guard let due = state.admission.nextTurn(after: clock.boot) else {
            state.timer?.task.cancel()
            state.timer = nil
            return
        }
        if let timer = state.timer, timer.due <= due { return }
        state.timer?.task.cancel()
        state.lastID += 1
        let id = state.lastID
        let task = Task { [self] in
            do { try await sleeper.sleep(until: due) } catch { return }
            ring(id)
        }
        state.timer = Timer(id: id, due: due, task: task)
    }

    private func ring(_ id: UInt64) {
        let woken = state.withLock { state in
            guard state.timer?.id == id else { return Woken() }
            state.timer = nil
            return settle(state.admission.turn(now: clock.boot), &state)
        }
        resume(woken)
    }
}
