import CofferCore
import CofferVault

/// The calls that wait, soonest deadline first: a binary heap. A call that ends
/// early stays in until its deadline comes, or until most of the heap is such
/// calls and `prune` takes them out: so it has room for those that wait, however
/// many come and go before the first deadline.
struct DeadlineQueue {
    struct Item {
        enum Subject {
            /// A call, by its serial.
            case call(UInt64)
            /// What a service has to do then; for as long as this call waits, if it is for one.
            case work(any WorkItem, call: UInt64?)
        }

        let deadline: BootInstant
        let subject: Subject
    }

    /// Below this many items nothing is worth pruning.
    private static let leastPruned = 1_024

    private var heap: [Item] = []
    /// How many items are to be pruned.
    private var pruneAt = Self.leastPruned

    var next: BootInstant? { heap.first?.deadline }
    var count: Int { heap.count }
    /// It has grown to twice what was left the last time.
    var wantsPruning: Bool { heap.count >= pruneAt }

    mutating func insert(_ item: Item) {
        heap.append(item)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].deadline < heap[parent].deadline else { return }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    /// Takes out the first item if its time has come.
    mutating func popExpired(at now: BootInstant) -> Item? {
        guard let first = heap.first, first.deadline <= now else { return nil }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        sink(0)
        return first
    }

    /// Takes out the items whose calls have ended.
    mutating func prune(keeping isAwaited: (Item) -> Bool) {
        heap.removeAll { !isAwaited($0) }
        for parent in stride(from: heap.count / 2 - 1, through: 0, by: -1) { sink(parent) }
        pruneAt = max(Self.leastPruned, 2 * heap.count)
    }

    /// Moves an item down to where its children are due later.
    private mutating func sink(_ start: Int) {
        var parent = start
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && heap[child].deadline < heap[least].deadline {
                least = child
            }
            guard least != parent else { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
