package import CofferCore
internal import CofferVault
internal import Synchronization

/// A request that waits for its answer, which comes once: from the thread that
/// does the work, or earlier because its deadline passed.
package final class LaneCall<Request: Sendable, Reply: Sendable>: LaneItem {
    package typealias Outcome = Result<Reply, Failure>

    package let request: Request
    package let weight: Int
    package let deadline: BootInstant
    package let isHurried: Bool
    private let caller: any LaneCaller<Reply>
    // Not the caller itself in a mutex: to destroy that looks generic types up.
    private let answered = Atomic(false)

    package init(
        _ request: Request, weight: Int = 0, deadline: BootInstant, isHurried: Bool = false,
        caller: any LaneCaller<Reply>
    ) {
        self.request = request
        self.weight = weight
        self.deadline = deadline
        self.isHurried = isHurried
        self.caller = caller
    }

    package var isAnswered: Bool { answered.load(ordering: .acquiring) }

    /// Does nothing if it was answered before.
    package func answer(_ outcome: Outcome) {
        var deliveries = LaneDeliveries()
        answer(outcome, by: &deliveries)
        deliveries.post()
    }

    /// The same for one of many: the caller is told when the deliveries are posted.
    package func answer(_ outcome: Outcome, by deliveries: inout LaneDeliveries) {
        guard !answered.exchange(true, ordering: .acquiringAndReleasing) else { return }
        if let (queue, work) = caller.accept(outcome) { deliveries.add(work, to: queue) }
    }

    package func fail(_ failure: Failure) { answer(.failure(failure)) }
}

/// What is to be done for callers that were answered: each queue is woken once.
package struct LaneDeliveries {
    private var batches: [(queue: any WorkQueue, work: [any WorkItem])] = []

    package init() {}

    mutating func add(_ work: any WorkItem, to queue: any WorkQueue) {
        let place = batches.firstIndex { $0.queue === queue } ?? batches.count
        if place == batches.count { batches.append((queue, [])) }
        batches[place].work.append(work)
    }

    package func post() {
        for (queue, work) in batches { queue.post(work) }
    }
}
