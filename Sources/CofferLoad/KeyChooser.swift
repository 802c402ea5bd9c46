internal import Glibc

/// SplitMix64: fast, seeded, good enough to choose records by.
struct LoadRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    @inline(__always)
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = (state ^ state >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}

/// Chooses records. One random number each, no allocation.
struct KeyChooser {
    /// A slot of Walker's alias method: keep the slot's own index with a chance
    /// of `keep` in 2^32, else take `alias`.
    private struct Slot {
        var keep: UInt32
        var alias: UInt32
    }

    private let keys: UInt64
    /// Empty for uniform: every slot would keep itself.
    private let slots: [Slot]
    private var random: LoadRandom

    init(keys: UInt32, distribution: KeyDistribution, seed: UInt64) {
        self.keys = UInt64(keys)
        random = LoadRandom(seed: seed)
        slots =
            switch distribution {
            case .uniform: []
            case .zipf: Self.aliasTable(weights: (1...Int(keys)).map { pow(Double($0), -0.99) })
            }
    }

    /// Below `keys`.
    @inline(__always)
    mutating func next() -> UInt32 {
        let number = random.next()
        // The high half, scaled to the range, chooses the slot; the low half decides there.
        let index = UInt32(truncatingIfNeeded: (number >> 32 &* keys) >> 32)
        guard !slots.isEmpty else { return index }
        let slot = slots[Int(index)]
        return UInt32(truncatingIfNeeded: number) < slot.keep ? index : slot.alias
    }

    /// Vose's construction: each slot that has less than its share is filled up
    /// by one that has more.
    private static func aliasTable(weights: [Double]) -> [Slot] {
        let scale = Double(weights.count) / weights.reduce(0, +)
        var shares = weights.map { $0 * scale }
        var slots = weights.indices.map { Slot(keep: .max, alias: UInt32($0)) }
        var poor = shares.indices.filter { shares[$0] < 1 }
        var rich = shares.indices.filter { shares[$0] >= 1 }
        while let receiver = poor.popLast(), let giver = rich.last {
            slots[receiver] = Slot(
                keep: UInt32(shares[receiver] * Double(UInt32.max)), alias: UInt32(giver))
            shares[giver] -= 1 - shares[receiver]
            if shares[giver] < 1 {
                rich.removeLast()
                poor.append(giver)
            }
        }
        return slots
    }
}
