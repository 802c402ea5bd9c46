internal import CofferCore
internal import Synchronization

/// A request that waits for its answer, which comes once: from the thread that
/// does the work, or earlier because its deadline passed.
final class Call<Request: Sendable, Reply: Sendable>: Sendable {
    typealias Outcome = Result<Reply, Failure>
    /// Runs on the thread that answers, which has others to answer: it may not block.
    typealias Completion = @Sendable (Outcome) -> Void

    let request: Request
    let deadline: BootInstant
    private let completion: Mutex<Completion?>

    init(_ request: Request, deadline: BootInstant, completion: @escaping Completion) {
        self.request = request
        self.deadline = deadline
        self.completion = Mutex(completion)
    }

    /// Does nothing if it was answered before.
    func answer(_ outcome: Outcome) {
        let completion = completion.withLock { $0.take() }
        completion?(outcome)
    }
}
