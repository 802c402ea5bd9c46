/// Collects for the next turn while that of this turn is worked on; both keep their
/// memory, for to allocate it with every turn costs as much as some calls.
struct TurnQueue<Element> {
    /// More than this many are let go of.
    private static var keptCapacity: Int { 4_096 }

    private var collected: [Element] = []
    /// Those of this turn, last first.
    private var current: [Element] = []

    var isEmpty: Bool { collected.isEmpty && current.isEmpty }

    mutating func append(_ element: Element) { collected.append(element) }
    mutating func append(contentsOf elements: [Element]) { collected.append(contentsOf: elements) }

    /// Begins a turn: with what the last one has left, or else with all that was collected.
    ///
    /// - Returns: how many there are to take.
    mutating func beginTurn() -> Int {
        if current.isEmpty {
            swap(&current, &collected)
            current.reverse()
        }
        return current.count
    }

    /// The next one of this turn, in order.
    mutating func popFirst() -> Element? {
        guard let element = current.popLast() else { return nil }
        if current.isEmpty && current.capacity > Self.keptCapacity { current = [] }
        return element
    }
}
