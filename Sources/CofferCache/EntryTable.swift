import CofferCore

/// The entries of one shard, bounded in bytes and evicted by S3-FIFO (Yang et al.,
/// SOSP 2023): what is new is on probation, in a tenth of the room; who is read
/// there, or comes back soon after, goes on to the main queue, where reading spares.
/// So what is asked for once never costs what is asked for often.
///
/// Each uid has queues of its own. One above its share makes room at its own
/// expense; else the one that holds most does. What is absent has a queue and a
/// quota apart.
struct EntryTable {
    /// More are not moved on for one eviction: then the next goes, read or not.
    private static let maximumSpared = 128
    /// Slots looked at for dead ones, each time room is needed.
    private static let swept = 32
    private static let mostFrequent: UInt8 = 3
    /// The queue of what is absent; 1 + 2 n and 2 + 2 n are those of account n.
    private static let absentQueue = 0

    private(set) var slots: [Slot] = []
    private var free: Int32 = -1
    private var index = SlotIndex()
    private var queues = [SlotQueue()]
    private var accounts: [UInt32: Int] = [:]
    private var uids: [UInt32] = []
    private var freeAccounts: [Int] = []
    private var ghost = Ghost()
    private var hand = 0
    private(set) var bytes = 0
    private(set) var evictions: UInt64 = 0
    private let maximumBytes: Int
    private let largestCost: Int
    private let lifetimes: Lifetimes

    init(maximumBytes: Int, largestCost: Int, lifetimes: Lifetimes) {
        self.maximumBytes = maximumBytes
        self.largestCost = min(largestCost, maximumBytes)
        self.lifetimes = lifetimes
    }

    var count: Int { index.count }
    var absentBytes: Int { queues[Self.absentQueue].bytes }

    func bytes(of uid: UInt32) -> Int { accounts[uid].map(accountBytes) ?? 0 }

    // MARK: Finding

    // Spans, because an array's element may be copied as a whole, with a retain.

    @inline(__always)
    func find(_ hash: UInt64, user: RawSpan, connection: RawSpan) -> Int? {
        guard let slot = find(hash) else { return nil }
        let slots = slots.span
        guard slots[slot].userBytes == user.byteCount,
            slots[slot].connectionBytes == connection.byteCount,
            user.isEqual(to: slots[slot].bytes, at: 0),
            connection.isEqual(to: slots[slot].bytes, at: user.byteCount)
        else { return nil }
        return slot
    }

    @inline(__always)
    private func find(_ hash: UInt64) -> Int? {
        let slots = slots.span
        var place = index.start(hash)
        while let slot = index.next(hash, from: &place) {
            if slots[slot].hash == hash { return slot }
        }
        return nil
    }

    @inline(__always)
    func value(_ slot: Int) -> CachedValue {
        let slots = slots.span
        return CachedValue(
            bytes: slots[slot].bytes,
            offset: Int(slots[slot].userBytes) &+ Int(slots[slot].connectionBytes),
            nonce: slots[slot].nonce, fetchedAt: slots[slot].fetchedAt, expiresAt: slots[slot].expiresAt)
    }

    @inline(__always)
    func state(_ slot: Int) -> SlotState {
        let slots = slots.span
        return SlotState(
            fetchedAt: slots[slot].fetchedAt, expiresAt: slots[slot].expiresAt,
            askAt: UInt64(slots[slot].askAt), isAbsent: slots[slot].isAbsent,
            hasFailed: slots[slot].hasFailed, isDoubted: slots[slot].isDoubted)
    }

    /// Notes that it was read.
    @inline(__always)
    mutating func touch(_ slot: Int) {
        if slots[slot].frequency < Self.mostFrequent { slots[slot].frequency &+= 1 }
    }

    mutating func ask(_ slot: Int, atAge age: UInt64, hasFailed: Bool = false) {
        slots[slot].askAt = UInt32(clamping: age)
        slots[slot].hasFailed = hasFailed
    }

    // MARK: Changing

    /// Puts an entry in, in the place of one with the same hash, evicting others as
    /// needed. One for which there can be no room is not kept.
    mutating func insert(_ entry: consuming Slot, uid: UInt32, now: BootInstant, wall: WallMilliseconds) {
        var entry = entry
        var isProven = false
        if let old = find(entry.hash) {
            if replace(old, with: entry, uid: uid) { return }
            isProven = !slots[old].isAbsent && isMain(slots[old].queue)
            entry.frequency = slots[old].frequency
            remove(old)
        }
        guard entry.cost <= largestCost, makeRoom(for: entry, uid: uid, now: now, wall: wall) else { return }
        entry.queue = Int32(entry.isAbsent ? Self.absentQueue : queue(uid, entry.hash, isProven: isProven))
        let slot = takeSlot()
        slots[slot] = entry
        index.insert(entry.hash, slot: slot)
        bytes += entry.cost
        link(slot)
    }

    /// In the same place, if it is of the same kind and uid, and fits.
    private mutating func replace(_ old: Int, with entry: Slot, uid: UInt32) -> Bool {
        let growth = entry.cost - slots[old].cost
        let queue = slots[old].queue
        guard !entry.isAbsent, !slots[old].isAbsent, accounts[uid] == account(of: queue),
            entry.cost <= largestCost, bytes + growth <= maximumBytes
        else { return false }
        var entry = entry
        entry.frequency = slots[old].frequency
        entry.older = slots[old].older
        entry.newer = slots[old].newer
        entry.queue = queue
        slots[old] = entry
        bytes += growth
        queues[Int(queue)].bytes += growth
        return true
    }

    /// Removes what has this hash, whatever its key; true if that was a record.
    @discardableResult
    mutating func remove(hash: UInt64) -> Bool {
        guard let slot = find(hash) else { return false }
        defer { remove(slot) }
        return !slots[slot].isAbsent
    }

    /// What has this hash, whatever its key, may be out of date from now on.
    ///
    /// - Returns: how it was before; nil if there is nothing.
    mutating func doubt(hash: UInt64) -> Trust? { find(hash).map { slots[$0].doubt() } }

    /// The same for all entries of these records.
    mutating func doubt(where isConcerned: (RecordKey) -> Bool) {
        for slot in slots.indices where slots[slot].queue >= 0 {
            if let key = slots[slot].key, isConcerned(key) { _ = slots[slot].doubt() }
        }
    }

    /// It is as good as it was, if it is still there.
    mutating func restore(hash: UInt64, _ trust: Trust) {
        if let slot = find(hash) { slots[slot].restore(trust) }
    }

    /// Removes that there is no such record.
    mutating func removeAbsence(hash: UInt64) {
        if let slot = find(hash), slots[slot].isAbsent { remove(slot) }
    }

    mutating func remove(_ slot: Int) {
        let queue = slots[slot].queue
        unlink(slot)
        bytes -= slots[slot].cost
        index.remove(slots[slot].hash, slot: slot)
        slots[slot] = Slot()
        slots[slot].older = free
        free = Int32(slot)
        closeAccountIfEmpty(of: queue)
    }

    /// Removes what is of this user, or everything; returns how many records that were.
    mutating func removeAll(user: [UInt8]?) -> Int {
        var removed = 0
        for slot in slots.indices where slots[slot].queue >= 0 {
            if let user {
                guard slots[slot].userBytes == user.count, slots[slot].bytes.starts(with: user) else { continue }
            }
            removed += slots[slot].isAbsent ? 0 : 1
            remove(slot)
        }
        return removed
    }

    // MARK: Making room

    /// False if it takes more of others than it may.
    private mutating func makeRoom(
        for entry: Slot, uid: UInt32, now: BootInstant, wall: WallMilliseconds
    ) -> Bool {
        if entry.isAbsent {
            let quota = maximumBytes / CacheConfiguration.absentPart
            guard entry.cost <= quota else { return false }
            while absentBytes + entry.cost > quota { remove(Int(queues[Self.absentQueue].oldest)) }
        }
        while bytes + entry.cost > maximumBytes {
            if sweep(now: now, wall: wall) { continue }
            guard let account = payer(entry, uid) else { return false }
            evict(from: account)
            evictions += 1
        }
        return true
    }

    /// Removes dead entries among the next few; true if there was one.
    private mutating func sweep(now: BootInstant, wall: WallMilliseconds) -> Bool {
        var found = false
        for _ in 0..<min(Self.swept, slots.count) {
            hand = hand + 1 < slots.count ? hand + 1 : 0
            if slots[hand].queue >= 0 && slots[hand].isDead(lifetimes, now: now, wall: wall) {
                remove(hand)
                found = true
            }
        }
        return found
    }

    /// The account that has to give something up.
    private func payer(_ entry: Slot, _ uid: UInt32) -> Int? {
        let share = maximumBytes / CacheConfiguration.sharePart
        if !entry.isAbsent && bytes(of: uid) + entry.cost > share {
            return accounts[uid]
        }
        let largest = uids.indices.max { accountBytes($0) < accountBytes($1) }
        return largest.flatMap { accountBytes($0) > 0 ? $0 : nil }
    }

    private mutating func evict(from account: Int) {
        let (probation, main) = (1 + 2 * account, 2 + 2 * account)
        var spared = 0
        while true {
            let isOnProbation = queues[main].isEmpty
                || !queues[probation].isEmpty && queues[probation].bytes * 10 >= accountBytes(account)
            let slot = Int(queues[isOnProbation ? probation : main].oldest)
            let frequency = slots[slot].frequency
            if frequency > (isOnProbation ? 1 : 0) && spared < Self.maximumSpared {
                spared += 1
                unlink(slot)
                slots[slot].queue = Int32(main)
                slots[slot].frequency = isOnProbation ? 0 : frequency - 1
                link(slot)
                continue
            }
            if isOnProbation { ghost.insert(slots[slot].hash, entries: count) }
            remove(slot)
            return
        }
    }

    // MARK: Queues and accounts

    private func isMain(_ queue: Int32) -> Bool { queue > 0 && queue % 2 == 0 }

    private func account(of queue: Int32) -> Int { Int(queue - 1) / 2 }

    private func accountBytes(_ account: Int) -> Int {
        queues[1 + 2 * account].bytes + queues[2 + 2 * account].bytes
    }

    /// Where a new entry goes.
    private mutating func queue(_ uid: UInt32, _ hash: UInt64, isProven: Bool) -> Int {
        let account = accounts[uid] ?? openAccount(uid)
        let isRemembered = ghost.take(hash)
        // While nothing had to go yet, probation would prove nothing.
        let isEarly = evictions == 0 && queues[1 + 2 * account].bytes * 10 >= maximumBytes
        return isProven || isRemembered || isEarly ? 2 + 2 * account : 1 + 2 * account
    }

    private mutating func openAccount(_ uid: UInt32) -> Int {
        let account = freeAccounts.popLast() ?? uids.count
        if account == uids.count {
            uids.append(uid)
            queues.append(SlotQueue())
            queues.append(SlotQueue())
        }
        uids[account] = uid
        accounts[uid] = account
        return account
    }

    private mutating func closeAccountIfEmpty(of queue: Int32) {
        guard queue > 0 else { return }
        let account = account(of: queue)
        guard queues[1 + 2 * account].isEmpty, queues[2 + 2 * account].isEmpty else { return }
        accounts[uids[account]] = nil
        freeAccounts.append(account)
    }

    private mutating func takeSlot() -> Int {
        if free >= 0 {
            let slot = Int(free)
            free = slots[slot].older
            return slot
        }
        // By an eighth, where an array would double.
        if slots.count == slots.capacity { slots.reserveCapacity(slots.count + slots.count / 8 + 16) }
        slots.append(Slot())
        return slots.count - 1
    }

    /// Puts the slot at the new end of its queue.
    private mutating func link(_ slot: Int) {
        let queue = Int(slots[slot].queue)
        let newest = queues[queue].newest
        slots[slot].older = newest
        slots[slot].newer = -1
        if newest >= 0 { slots[Int(newest)].newer = Int32(slot) } else { queues[queue].oldest = Int32(slot) }
        queues[queue].newest = Int32(slot)
        queues[queue].bytes += slots[slot].cost
    }

    private mutating func unlink(_ slot: Int) {
        let queue = Int(slots[slot].queue)
        let (older, newer) = (slots[slot].older, slots[slot].newer)
        if older >= 0 { slots[Int(older)].newer = newer } else { queues[queue].oldest = newer }
        if newer >= 0 { slots[Int(newer)].older = older } else { queues[queue].newest = older }
        queues[queue].bytes -= slots[slot].cost
    }
}
