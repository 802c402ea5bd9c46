import CofferCore

/// The entries of one shard, bounded in bytes, evicted by SIEVE: a hand walks
/// from the oldest entry to newer ones, spares each that was read since it last
/// came by, and evicts the first that was not (Zhang et al., NSDI 2024).
struct EntryTable {
    private var entries: [CacheEntry?] = []
    private var free: [Int32] = []
    private var slots: [UInt64: Int32] = [:]
    private var oldest: Int32 = -1
    private var newest: Int32 = -1
    private var hand: Int32 = -1
    private(set) var bytes = 0
    private(set) var evictions: UInt64 = 0
    let maximumBytes: Int

    init(maximumBytes: Int) { self.maximumBytes = maximumBytes }

    var count: Int { slots.count }

    /// Finds the entry and marks it as read.
    @inline(__always)
    mutating func find(_ hash: UInt64, user: RawSpan, connection: RawSpan) -> CachedValue? {
        guard let slot = slots[hash] else { return nil }
        let index = Int(slot)
        guard user.isEqual(to: entries[index]!.user), connection.isEqual(to: entries[index]!.connection) else {
            return nil
        }
        if !entries[index]!.visited { entries[index]!.visited = true }
        return entries[index]!.value
    }

    /// Puts the entry in, evicting others as needed. One that is larger than the
    /// table is not kept. Another key with the same hash is replaced.
    mutating func insert(_ entry: CacheEntry) {
        remove(entry.hash)
        guard entry.cost <= maximumBytes else { return }
        while bytes + entry.cost > maximumBytes { evict() }
        let slot = free.popLast() ?? Int32(entries.count)
        if Int(slot) == entries.count { entries.append(nil) }
        var entry = entry
        entry.older = newest
        entry.newer = -1
        if newest >= 0 { entries[Int(newest)]!.newer = slot } else { oldest = slot }
        newest = slot
        bytes += entry.cost
        slots[entry.hash] = slot
        entries[Int(slot)] = entry
    }

    @discardableResult
    mutating func remove(_ hash: UInt64) -> Bool {
        guard let slot = slots.removeValue(forKey: hash) else { return false }
        let entry = entries[Int(slot)]!
        if entry.older >= 0 { entries[Int(entry.older)]!.newer = entry.newer } else { oldest = entry.newer }
        if entry.newer >= 0 { entries[Int(entry.newer)]!.older = entry.older } else { newest = entry.older }
        if hand == slot { hand = entry.newer }
        bytes -= entry.cost
        entries[Int(slot)] = nil
        free.append(slot)
        return true
    }

    /// Removes what `matches`; returns how many that were.
    mutating func removeAll(where matches: (CacheEntry) -> Bool) -> Int {
        let doomed = entries.compactMap { entry in entry.flatMap { matches($0) ? $0.hash : nil } }
        for hash in doomed { remove(hash) }
        return doomed.count
    }

    private mutating func evict() {
        var candidate = hand >= 0 ? hand : oldest
        while entries[Int(candidate)]!.visited {
            entries[Int(candidate)]!.visited = false
            let next = entries[Int(candidate)]!.newer
            candidate = next >= 0 ? next : oldest
        }
        hand = candidate
        evictions += 1
        remove(entries[Int(candidate)]!.hash)
    }
}
