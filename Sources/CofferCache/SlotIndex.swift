/// Slot numbers by hash: one flat array, probed in line, half the hash beside each
/// number, so that a lookup touches one line of it and then the slot that it wants.
struct SlotIndex {
    /// Upper half: the upper half of the hash. Lower half: the slot + 1; 0 = empty.
    private var cells: [UInt64]
    private var mask: Int
    private(set) var count = 0

    init() {
        cells = Array(repeating: 0, count: 16)
        mask = 15
    }

    /// The first slot, from this place on, whose half hash is that of `hash`; and
    /// the place behind it, to go on from.
    @inline(__always)
    func next(_ hash: UInt64, from place: inout Int) -> Int? {
        while true {
            let cell = cells[place]
            if cell == 0 { return nil }
            place = (place + 1) & mask
            if cell >> 32 == hash >> 32 { return Int(truncatingIfNeeded: cell & 0xFFFF_FFFF) - 1 }
        }
    }

    @inline(__always)
    func start(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash >> 32) & mask }

    mutating func insert(_ hash: UInt64, slot: Int) {
        // Beyond seven tenths, probing gets long.
        if (count + 1) * 10 > cells.count * 7 { grow() }
        put(cell(hash, slot))
        count += 1
    }

    /// Closes the gap, so that no probe ends too early.
    mutating func remove(_ hash: UInt64, slot: Int) {
        let wanted = cell(hash, slot)
        var gap = start(hash)
        while cells[gap] != wanted {
            if cells[gap] == 0 { return }
            gap = (gap + 1) & mask
        }
        count -= 1
        var place = (gap + 1) & mask
        while cells[place] != 0 {
            let home = Int(truncatingIfNeeded: cells[place] >> 32) & mask
            // It may move back if its home is not between the gap and its place.
            if (place - home) & mask >= (place - gap) & mask {
                cells[gap] = cells[place]
                gap = place
            }
            place = (place + 1) & mask
        }
        cells[gap] = 0
    }

    private func cell(_ hash: UInt64, _ slot: Int) -> UInt64 { hash & ~0xFFFF_FFFF | UInt64(slot + 1) }

    private mutating func put(_ cell: UInt64) {
        var place = Int(truncatingIfNeeded: cell >> 32) & mask
        while cells[place] != 0 { place = (place + 1) & mask }
        cells[place] = cell
    }

    private mutating func grow() {
        let old = cells
        cells = Array(repeating: 0, count: 2 * old.count)
        mask = cells.count - 1
        for cell in old where cell != 0 { put(cell) }
    }
}
