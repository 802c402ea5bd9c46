/// What the models keep of records, in an order that is theirs to say.
struct RankedEntries {
    struct Entry {
        let key: UInt32
        var version: UInt32
        /// When the vault gave or confirmed it.
        var confirmedAt: UInt32
        /// When it was put in: by the vault's answer, or in place of one.
        var keptSince: UInt32
        fileprivate var older = -1
        fileprivate var newer = -1

        init(key: UInt32, version: UInt32, confirmedAt: UInt32, keptSince: UInt32) {
            self.key = key
            self.version = version
            self.confirmedAt = confirmedAt
            self.keptSince = keptSince
        }
    }

    private var slots: [UInt32: Int] = [:]
    private var entries: [Entry] = []
    private var free: [Int] = []
    private var oldest = -1
    private var newest = -1
    private let maximumCount: Int

    init(maximumCount: Int) { self.maximumCount = maximumCount }

    var count: Int { slots.count }

    subscript(key: UInt32) -> Entry? { slots[key].map { entries[$0] } }

    /// As the newest one; if that is one too many, the oldest goes.
    mutating func insert(_ entry: Entry) {
        guard maximumCount > 0 else { return }
        remove(entry.key)
        if count == maximumCount { remove(entries[oldest].key) }
        let slot = free.popLast() ?? entries.count
        if slot == entries.count { entries.append(entry) } else { entries[slot] = entry }
        slots[entry.key] = slot
        link(slot)
    }

    /// Makes it the newest one.
    mutating func touch(_ key: UInt32) {
        guard let slot = slots[key] else { return }
        unlink(slot)
        link(slot)
    }

    mutating func remove(_ key: UInt32) {
        guard let slot = slots.removeValue(forKey: key) else { return }
        unlink(slot)
        free.append(slot)
    }

    private mutating func link(_ slot: Int) {
        entries[slot].older = newest
        entries[slot].newer = -1
        if newest >= 0 { entries[newest].newer = slot } else { oldest = slot }
        newest = slot
    }

    private mutating func unlink(_ slot: Int) {
        let (older, newer) = (entries[slot].older, entries[slot].newer)
        if older >= 0 { entries[older].newer = newer } else { oldest = newer }
        if newer >= 0 { entries[newer].older = older } else { newest = older }
    }
}
