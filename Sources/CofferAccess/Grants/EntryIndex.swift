/// Finds the entries of a table that share their ids, by the hash of these.
struct EntryIndex: Sendable {
    /// A run of entries; free if it has none.
    private struct Slot {
        var first: UInt32 = 0
        var count: UInt32 = 0
    }

    /// A power of two, at least twice as many as there are runs: a search always comes to a free one.
    private var slots: [Slot] = []

    var isEmpty: Bool { slots.isEmpty }

    /// - Parameters:
    ///   - groups: the runs, one after the other; none is empty.
    ///   - start: the place of the first entry.
    init<Key>(_ groups: [[Key]], from start: Int, hash: (Key) -> UInt64) {
        guard !groups.isEmpty else { return }
        var size = 2
        while size < 2 * groups.count { size *= 2 }
        slots = Array(repeating: Slot(), count: size)
        var first = start
        for group in groups {
            var place = Int(truncatingIfNeeded: hash(group[0])) & (size - 1)
            while slots[place].count > 0 { place = (place + 1) & (size - 1) }
            slots[place] = Slot(first: UInt32(first), count: UInt32(group.count))
            first += group.count
        }
    }

    /// The run whose first entry `isWanted`; an empty one if there is none.
    ///
    /// There has to be a slot: see ``isEmpty``.
    @inline(__always)
    func range(_ hash: UInt64, _ isWanted: (Int) -> Bool) -> Range<Int> {
        let mask = slots.count &- 1
        var place = Int(truncatingIfNeeded: hash) & mask
        while true {
            let slot = slots[place]
            if slot.count == 0 { return 0..<0 }
            let first = Int(slot.first)
            if isWanted(first) { return first..<first &+ Int(slot.count) }
            place = (place &+ 1) & mask
        }
    }
}
