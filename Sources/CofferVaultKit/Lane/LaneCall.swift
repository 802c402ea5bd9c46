package import CofferCore
internal import CofferVault
internal import Synchronization

/// A request that waits for its answer, which comes once: from the thread that
/// does the work, or earlier because its deadline passed.
package final class LaneCall<Request: Sendable, Reply: Sendable>: Sendable {
    package typealias Outcome = Result<Reply, Failure>

    package let request: Request
    package let deadline: BootInstant
    /// Its deadline was so near from the beginning that missing it says nothing about the vault.
    package let isHurried: Bool
    private let caller: any LaneCaller<Reply>
    // Not the caller itself in a mutex: to destroy that looks generic types up.
    private let isAnswered = Atomic(false)

    package init(_ request: Request, deadline: BootInstant, isHurried: Bool = false, caller: any LaneCaller<Reply>) {
        self.request = request
        self.deadline = deadline
        self.isHurried = isHurried
        self.caller = caller
    }

    /// Does nothing if it was answered before.
    package func answer(_ outcome: Outcome) { Self.answer([self], [outcome]) }

    /// Answers many at once: each queue is woken once.
    package static func answer(_ calls: [LaneCall], _ outcomes: [Outcome]) {
        var batches: [(queue: any WorkQueue, work: [any WorkItem])] = []
        for (call, outcome) in zip(calls, outcomes) {
            guard !call.isAnswered.exchange(true, ordering: .acquiringAndReleasing) else { continue }
            guard let (queue, work) = call.caller.accept(outcome) else { continue }
            let place = batches.firstIndex { $0.queue === queue } ?? batches.count
            if place == batches.count { batches.append((queue, [])) }
            batches[place].work.append(work)
        }
        for (queue, work) in batches { queue.post(work) }
    }
}
