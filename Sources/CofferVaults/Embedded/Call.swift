internal import CofferCore
internal import Synchronization

/// A request that waits for its answer, which comes once: from the thread that
/// does the work, or earlier because its deadline passed.
final class Call<Request: Sendable, Reply: Sendable>: Sendable {
    typealias Outcome = Result<Reply, Failure>

    let request: Request
    let deadline: BootInstant
    private let caller: Mutex<CheckedContinuation<Outcome, Never>?>

    init(
        _ request: Request, deadline: BootInstant, caller: CheckedContinuation<Outcome, Never>
    ) {
        self.request = request
        self.deadline = deadline
        self.caller = Mutex(caller)
    }

    /// Wakes the caller; does nothing if it was answered before.
    func answer(_ outcome: Outcome) {
        caller.withLock { $0.take() }?.resume(returning: outcome)
    }
}
