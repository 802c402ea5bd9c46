/// Hashes of what left on probation, about as many as there are entries: who comes
/// back while still remembered is no one-shot. Keyed hashes, never names.
///
/// Sets of eight, in each of which the oldest makes room.
struct Ghost {
    private static let ways = 8

    /// 0 = empty.
    private var hashes: [UInt64] = []

    private func set(_ hash: UInt64) -> Int {
        Int(truncatingIfNeeded: hash >> 16) & (hashes.count / Self.ways - 1) * Self.ways
    }

    /// - Parameter entries: how many there are in the cache.
    mutating func insert(_ hash: UInt64, entries: Int) {
        if entries > hashes.count { grow(entries) }
        push(hash)
    }

    /// Whether it was remembered; it is not any longer.
    mutating func take(_ hash: UInt64) -> Bool {
        guard !hashes.isEmpty else { return false }
        let set = set(hash)
        for way in set..<set + Self.ways where hashes[way] == hash {
            hashes[way] = 0
            return true
        }
        return false
    }

    private mutating func push(_ hash: UInt64) {
        let set = set(hash)
        for way in (set + 1..<set + Self.ways).reversed() { hashes[way] = hashes[way - 1] }
        hashes[set] = hash
    }

    private mutating func grow(_ entries: Int) {
        let old = hashes
        var size = 8 * Self.ways
        while size < entries { size *= 2 }
        hashes = Array(repeating: 0, count: size)
        for hash in old.reversed() where hash != 0 { push(hash) }
    }
}
