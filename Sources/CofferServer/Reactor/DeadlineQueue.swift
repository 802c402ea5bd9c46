import CofferCore

/// The calls that wait, soonest deadline first: a binary heap. A call that ends
/// early stays in until its deadline comes and is then found to be gone.
struct DeadlineQueue {
    struct Item {
        let deadline: BootInstant
        let connection: UInt64
        let callID: UInt64
    }

    private var heap: [Item] = []

    var next: BootInstant? { heap.first?.deadline }
    var count: Int { heap.count }

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
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && heap[child].deadline < heap[least].deadline {
                least = child
            }
            guard least != parent else { return first }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
