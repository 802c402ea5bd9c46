internal import CofferCore
internal import Synchronization

/// A request that waits for its answer, which comes once: from the thread that
/// does the work, or earlier because its deadline passed.
final class Call<Request: Sendable, Reply: Sendable>: Sendable {
    typealias Outcome = Result<Reply, Failure>

    /// What wakes a caller: its outcome, and others whom it wakes in turn.
    struct Answer: Sendable {
        let outcome: Outcome
        var followers: [(caller: CheckedContinuation<Answer, Never>, outcome: Outcome)] = []

        func wakeFollowers() {
            for (caller, outcome) in followers { caller.resume(returning: Answer(outcome: outcome)) }
        }
    }

    let request: Request
    let deadline: BootInstant
    private let caller: Mutex<CheckedContinuation<Answer, Never>?>

    private init(_ request: Request, _ deadline: BootInstant, _ caller: CheckedContinuation<Answer, Never>) {
        self.request = request
        self.deadline = deadline
        self.caller = Mutex(caller)
    }

    /// Makes a call, gives it to `enqueue`, and waits for its answer.
    static func make(
        _ request: Request, deadline: BootInstant, enqueue: (Call) -> Void
    ) async -> Outcome {
        let answer = await withCheckedContinuation { caller in
            enqueue(Call(request, deadline, caller))
        }
        answer.wakeFollowers()
        return answer.outcome
    }

    /// Wakes the caller; does nothing if it was answered before.
    func answer(_ outcome: Outcome) {
        caller.withLock { $0.take() }?.resume(returning: Answer(outcome: outcome))
    }

    /// Answers many at once: wakes one caller, which wakes the others from the
    /// thread of a task. A thread of ours would pay for waking an idle thread
    /// with nearly every one of them.
    static func answer(_ calls: [Call], _ outcomes: [Outcome]) {
        var answers: [(caller: CheckedContinuation<Answer, Never>, outcome: Outcome)] = []
        for (call, outcome) in zip(calls, outcomes) {
            if let caller = call.caller.withLock({ $0.take() }) { answers.append((caller, outcome)) }
        }
        guard let (caller, outcome) = answers.popLast() else { return }
        caller.resume(returning: Answer(outcome: outcome, followers: answers))
    }
}
