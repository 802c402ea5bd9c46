package import CofferCore

/// One shard of the cache: a pure state machine, without a clock, a lock, I/O or
/// randomness of its own.
///
/// Fences keep a slow read from bringing an old value back. Each key belongs to
/// a stripe with a counter that every write moves, before the vault is asked and
/// again after. A flight remembers the counter it set out under; its answer is
/// cached, and new waiters may join it, only while that is unchanged. One that
/// sets out during a write to its key is never joined nor cached. What was cached
/// of that key stands in for a vault that cannot be asked, marked as stale, until
/// the write ends; beyond that, if nobody knows whether it was done. What is cached
/// of other keys is given as ever, however long the vault takes over the write.
package struct CacheShard: Sendable {
    static let stripeCount = 256

    var table: EntryTable
    private var fences: [UInt64]
    /// Moved with all fences at once.
    private var epoch: UInt64 = 0
    /// Writes under way, by hash.
    private var writing: [UInt64: Writing] = [:]
    var flights: [UInt64: Flight] = [:]
    /// The newest flight of a key: the one to join, and the only one to be cached.
    private var current: [UInt64: UInt64] = [:]
    private var nextFlight: UInt64
    private var jitter: Jitter
    let configuration: CacheConfiguration
    let lifetimes: Lifetimes
    private let maximumFlights: Int
    private let maximumFlightsPerUID: Int
    /// How many of them each uid has set off.
    private var flightsByUID: [UInt32: Int] = [:]
    private let flightStep: UInt64
    package private(set) var refreshes: UInt64 = 0
    package internal(set) var staleAnswers: UInt64 = 0

    /// - Parameters:
    ///   - index: which of `count` shards this is; flight ids modulo `count` say it.
    ///   - seed: random, for the points at which entries are refreshed.
    package init(configuration: CacheConfiguration, index: Int, count: Int, seed: UInt64) {
        self.configuration = configuration
        lifetimes = configuration.lifetimes
        table = EntryTable(
            maximumBytes: configuration.maximumBytes / count,
            largestCost: configuration.maximumBytes / CacheConfiguration.maximumEntryDivisor, lifetimes: lifetimes)
        maximumFlights = configuration.maximumFlights
        maximumFlightsPerUID = configuration.maximumFlightsPerUID
        fences = Array(repeating: 0, count: Self.stripeCount)
        nextFlight = UInt64(index)
        flightStep = UInt64(count)
        jitter = Jitter(state: seed)
    }

    // The low bits of a hash choose the shard.
    @inline(__always)
    func stripe(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash >> 32) & (Self.stripeCount - 1) }

    private func fence(_ hash: UInt64) -> UInt64 { fences[stripe(hash)] &+ epoch }

    // MARK: Reading

    /// What is cached, if it is no older than `maximumAge` milliseconds: a value
    /// inside its TTL and before its expiry; or one past its TTL, if the vault could
    /// not be asked less than 30 s ago, or 5 s if nothing was sent to it.
    @inline(__always)
    package mutating func lookup(
        hash: UInt64, user: RawSpan, connection: RawSpan, now: BootInstant,
        wall: WallMilliseconds, maximumAge: UInt64
    ) -> CacheAnswer {
        guard let slot = table.find(hash, user: user, connection: connection) else { return .miss }
        let state = table.state(slot)
        let age = now.milliseconds(since: state.fetchedAt)
        guard state.expiresAt == 0 || wall < state.expiresAt else {
            table.remove(slot)
            return .miss
        }
        guard age <= maximumAge else { return .miss }
        if state.isAbsent { return age < lifetimes.absent && !state.isDoubted ? .absent : .miss }
        let mustAsk = age >= state.askAt
        if age < lifetimes.fresh && !state.isDoubted {
            table.touch(slot)
            let wantsRefresh = mustAsk && configuration.maximumRefreshes > 0
            // Once: whoever is told now does it.
            if wantsRefresh { table.ask(slot, atAge: .max) }
            return .hit(
                CacheHit(
                    value: table.value(slot), ageMilliseconds: age, isStale: false, wantsRefresh: wantsRefresh))
        }
        guard !mustAsk, state.hasFailed, age < lifetimes.usable else { return .miss }
        return .hit(give(slot, age))
    }

    /// See `Cache.lookupNothing`.
    ///
    /// - Parameter hash: not that of the names.
    @inline(never)
    func lookupNothing(hash: UInt64, user: RawSpan, connection: RawSpan) { _ = table.find(hash, user: user, connection: connection) }

    /// What may be given in place of an answer: the value, stale or not.
    func substitute(_ key: RecordKey, hash: UInt64, now: BootInstant, wall: WallMilliseconds) -> Int? {
        guard let slot = find(key, hash), !table.slots[slot].isAbsent,
            !table.slots[slot].isDead(lifetimes, now: now, wall: wall),
            !table.slots[slot].isDoubted || lifetimes.usable > lifetimes.fresh
        else { return nil }
        return slot
    }

    func find(_ key: RecordKey, _ hash: UInt64) -> Int? {
        key.withBytes { table.find(hash, user: $0, connection: $1) }
    }

    /// For one who asked and is content with what is there.
    mutating func give(_ slot: Int, _ age: UInt64, to count: Int = 1) -> CacheHit {
        table.touch(slot)
        let isStale = age >= lifetimes.fresh || table.slots[slot].isDoubted
        if isStale { staleAnswers += UInt64(count) }
        return CacheHit(
            value: table.value(slot), ageMilliseconds: age, isStale: isStale, wantsRefresh: false)
    }

    // MARK: Flights

    /// The flight that somebody who asks now may wait for.
    func joinable(_ key: RecordKey, _ hash: UInt64) -> UInt64? {
        guard let id = current[hash], let flight = flights[id],
            flight.ticket.fence == fence(hash), flight.ticket.key == key
        else { return nil }
        return id
    }

    /// What is read of it meanwhile is not cached.
    func isBeingWritten(_ hash: UInt64) -> Bool { writing[hash] != nil }

    func hasRoomForFlight(of uid: UInt32) -> Bool {
        flights.count < maximumFlights && flightsByUID[uid, default: 0] < maximumFlightsPerUID
    }

    mutating func launch(
        _ key: RecordKey, _ hash: UInt64, uid: UInt32, now: BootInstant, waiters: [Flight.Waiter]
    ) -> FlightTicket {
        nextFlight += flightStep
        let ticket = FlightTicket(
            id: nextFlight, key: key, isRefresh: waiters.isEmpty, hash: hash, uid: uid, fence: fence(hash),
            startedAt: now)
        flights[ticket.id] = Flight(ticket: ticket, waiters: waiters)
        flightsByUID[uid, default: 0] += 1
        // During a write nobody may share it, and nobody knows what it will read.
        if writing[hash] == nil { current[hash] = ticket.id }
        if ticket.isRefresh { refreshes += 1 }
        return ticket
    }

    /// Nobody joins the flight any more, and nothing that it brings is cached.
    mutating func close(_ ticket: FlightTicket) {
        if current[ticket.hash] == ticket.id { current[ticket.hash] = nil }
    }

    /// Ends the flight: caches what it brought, or drops what the vault took back.
    ///
    /// - Returns: everybody who waited, and what they get. Nil if it had ended.
    package mutating func complete(
        _ ticket: FlightTicket, _ outcome: FlightOutcome, now: BootInstant, wall: WallMilliseconds
    ) -> CacheDelivery? {
        guard var flight = flights.removeValue(forKey: ticket.id) else { return nil }
        let others = flightsByUID[ticket.uid, default: 1] - 1
        flightsByUID[ticket.uid] = others > 0 ? others : nil
        let isNewest = current[ticket.hash] == ticket.id
        if isNewest { current[ticket.hash] = nil }
        let isUnfenced = isNewest && fence(ticket.hash) == ticket.fence
        var delivery = CacheDelivery()
        switch outcome {
        case .found(let value):
            if isUnfenced { insert(ticket.key, ticket.hash, value, uid: ticket.uid, now: now, wall: wall) }
        case .absent, .refusedDefinitely:
            // Whatever came between: to drop too much costs one read.
            table.remove(hash: ticket.hash)
            // Nor is a flight to bring back what it may have read before, or a write.
            current[ticket.hash] = nil
            if writing[ticket.hash] != nil { fences[stripe(ticket.hash)] += 1 }
            if case .absent = outcome, isUnfenced {
                insertAbsent(ticket.key, ticket.hash, since: ticket.startedAt, now: now, wall: wall)
            }
        case .failedTransiently, .turnedAway:
            if let slot = substitute(ticket.key, hash: ticket.hash, now: now, wall: wall) {
                let age = now.milliseconds(since: table.slots[slot].fetchedAt)
                if isUnfenced { noteFailure(slot, age, outcome.recheckMilliseconds) }
                delivery.servedStale = flight.takeWaiters(content: age)
                if !delivery.servedStale.isEmpty {
                    delivery.stale = give(slot, age, to: delivery.servedStale.count)
                }
            }
        }
        delivery.waiters = flight.waiters.map(\.token)
        return delivery
    }

    /// For some time nobody need ask again.
    private mutating func noteFailure(_ slot: Int, _ age: UInt64, _ milliseconds: UInt64) {
        let planned = table.slots[slot].askAt
        // Not before the time to refresh it, unless it was that which failed.
        let earliest = planned == .max ? 0 : UInt64(planned)
        table.ask(slot, atAge: max(age + milliseconds, earliest), hasFailed: true)
    }

    // MARK: Writing

    /// Writes to one hash that are under way together.
    private struct Writing {
        var count = 1
        /// One of them has changed the record, or may have.
        var mayHaveChanged = false
        /// How far what is cached was to be trusted before the first; nil = nothing was there.
        let before: Trust?
    }

    /// From now until `endWrite`, Gets of this key ask the vault. If it cannot answer, they
    /// get what is cached, as stale.
    ///
    /// - Parameter uid: whose share of the cache the new value counts against.
    package mutating func beginWrite(
        hash: UInt64, key: RecordKey, uid: UInt32, now: BootInstant
    ) -> WriteTicket {
        fences[stripe(hash)] += 1
        let wasAlone = writing[hash] == nil
        if wasAlone { writing[hash] = Writing(before: table.doubt(hash: hash)) } else { writing[hash]!.count += 1 }
        return WriteTicket(
            key: key, hash: hash, uid: uid, fence: fence(hash), wasAlone: wasAlone, startedAt: now)
    }

    /// After the vault has answered, or will not.
    package mutating func endWrite(
        _ ticket: WriteTicket, _ outcome: WriteOutcome, now: BootInstant, wall: WallMilliseconds
    ) {
        let hash = ticket.hash
        var writes = writing[hash]!
        writes.count -= 1
        if case .notWritten = outcome {} else { writes.mayHaveChanged = true }
        writing[hash] = writes.count == 0 ? nil : writes
        fences[stripe(hash)] += 1
        switch outcome {
        case .acknowledged(let value):
            // What was cached is older than this write, whatever comes in its place.
            guard ticket.wasAlone, fence(hash) == ticket.fence + 1 else {
                // With another write to the key meanwhile, nobody knows which was last.
                table.remove(hash: hash)
                return
            }
            cache(value, ticket, now: now, wall: wall)
        case .notWritten:
            guard writes.count == 0, !writes.mayHaveChanged, let before = writes.before else { return }
            table.restore(hash: hash, before)
        case .uncertain:
            // Only a value may stand in for the vault.
            table.removeAbsence(hash: hash)
        }
    }

    /// What the vault has acknowledged; nil = a Delete.
    private mutating func cache(
        _ value: CachedValue?, _ ticket: WriteTicket, now: BootInstant, wall: WallMilliseconds
    ) {
        if let value {
            insert(ticket.key, ticket.hash, value, uid: ticket.uid, now: now, wall: wall)
        } else {
            table.remove(hash: ticket.hash)
            insertAbsent(ticket.key, ticket.hash, since: ticket.startedAt, now: now, wall: wall)
        }
    }

    private mutating func insert(
        _ key: RecordKey, _ hash: UInt64, _ value: CachedValue, uid: UInt32, now: BootInstant,
        wall: WallMilliseconds
    ) {
        guard lifetimes.fresh > 0, value.expiresAt == 0 || wall < value.expiresAt else {
            table.remove(hash: hash)
            return
        }
        var slot = Slot(key, hash, sealed: value.bytes[value.offset...])
        slot.nonce = value.nonce
        slot.fetchedAt = value.fetchedAt
        slot.expiresAt = value.expiresAt
        // From a random point in the last fifth of the TTL: not all at once.
        slot.askAt = UInt32(clamping: lifetimes.fresh - jitter.below(lifetimes.fresh / 5 + 1))
        table.insert(slot, uid: uid, now: now, wall: wall)
    }

    private mutating func insertAbsent(
        _ key: RecordKey, _ hash: UInt64, since: BootInstant, now: BootInstant, wall: WallMilliseconds
    ) {
        guard lifetimes.absent > 0 else { return }
        var slot = Slot(key, hash, sealed: [])
        slot.fetchedAt = since
        slot.isAbsent = true
        table.insert(slot, uid: 0, now: now, wall: wall)
    }

    // MARK: Invalidating

    /// Drops the record of this key; reads under way are not cached.
    package mutating func invalidate(hash: UInt64) -> Int {
        fences[stripe(hash)] += 1
        return table.remove(hash: hash) ? 1 : 0
    }

    /// Drops the records of this user, or all of them; reads under way are not cached.
    package mutating func invalidate(user: [UInt8]?) -> Int {
        epoch += 1
        return table.removeAll(user: user)
    }

    /// What is cached of these records is in doubt from now on; reads under way are not cached.
    package mutating func doubt(where isConcerned: (RecordKey) -> Bool) {
        epoch += 1
        // A write that is not done does not make it as good as before.
        for hash in writing.keys { writing[hash]!.mayHaveChanged = true }
        table.doubt(where: isConcerned)
    }
}

/// SplitMix64 (Steele, Lea and Flood), for points in time that nobody needs to guess.
struct Jitter {
    var state: UInt64

    mutating func below(_ bound: UInt64) -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return (z ^ z >> 31) % bound
    }
}
