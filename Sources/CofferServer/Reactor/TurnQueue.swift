/// Collects for the next turn while that of this turn is worked on; both keep their
/// memory, for to allocate it with every turn costs as much as some calls.
struct TurnQueue<Element> {
    /// More than this many are let go of.
    private static var keptCapacity: Int { 4_096 }

    private var collected: [Element] = []
    private var spare: [Element] = []

    var isEmpty: Bool { collected.isEmpty }

    mutating func append(_ element: Element) { collected.append(element) }
    mutating func append(contentsOf elements: [Element]) { collected.append(contentsOf: elements) }

    /// All that was collected, in order. Empty the array and hand it back to `recycle`.
    mutating func take() -> [Element] {
        var taken: [Element] = []
        swap(&taken, &spare)
        swap(&taken, &collected)
        return taken
    }

    mutating func recycle(_ emptied: [Element]) {
        if emptied.capacity <= Self.keptCapacity { spare = emptied }
    }
}
