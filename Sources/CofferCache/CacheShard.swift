package import CofferCore

/// One shard of the cache: a pure state machine, without a clock, a lock or I/O.
///
/// Fences keep a slow read from bringing an old value back. Each key belongs to
/// a stripe with a counter that every write moves, before the vault is asked and
/// again after. A flight remembers the counter it set out under; its answer is
/// cached, and new waiters may join it, only while that is unchanged.
package struct CacheShard: Sendable {
    static let stripeCount = 256

    private var table: EntryTable
    private var fences: [UInt64]
    /// Writes under way, by stripe.
    private var writers: [UInt32]
    private var flights: [UInt64: Flight] = [:]
    /// The flight that new waiters of a key may join.
    private var current: [UInt64: UInt64] = [:]
    private var nextFlight: UInt64
    private let configuration: CacheConfiguration
    private let maximumFlights: Int
    private let flightStep: UInt64

    /// - Parameters:
    ///   - index: which of `count` shards this is; flight ids of shards differ.
    package init(configuration: CacheConfiguration, index: Int, count: Int) {
        self.configuration = configuration
        table = EntryTable(maximumBytes: configuration.maximumBytes / count)
        maximumFlights = max(1, configuration.maximumFlights / count)
        fences = Array(repeating: 0, count: Self.stripeCount)
        writers = Array(repeating: 0, count: Self.stripeCount)
        nextFlight = UInt64(index)
        flightStep = UInt64(count)
    }

    // The low bits of a hash choose the shard.
    private func stripe(_ hash: UInt64) -> Int { Int(hash >> 32) & (Self.stripeCount - 1) }

    // MARK: Reading

    /// The cached value, if it is younger than the TTL and `maximumAge`, has not
    /// expired, and no write to its key is under way.
    @inline(__always)
    package mutating func lookup(
        hash: UInt64, user: RawSpan, connection: RawSpan, now: BootInstant,
        wall: WallMilliseconds, maximumAge: UInt64
    ) -> (value: CachedValue, ageMilliseconds: UInt64)? {
        guard writers[stripe(hash)] == 0,
            let value = table.find(hash, user: user, connection: connection)
        else { return nil }
        let age = now.milliseconds(since: value.fetchedAt)
        guard age < configuration.ttlMilliseconds, age <= maximumAge else { return nil }
        guard value.expiresAt == 0 || wall < value.expiresAt else {
            table.remove(hash)
            return nil
        }
        return (value, age)
    }

    private mutating func lookup(
        hash: UInt64, key: RecordKey, now: BootInstant, wall: WallMilliseconds, maximumAge: UInt64
    ) -> (value: CachedValue, ageMilliseconds: UInt64)? {
        key.withBytes { user, connection in
            lookup(
                hash: hash, user: user, connection: connection, now: now, wall: wall,
                maximumAge: maximumAge)
        }
    }

    /// Waits for the flight of this key, starting one if none can be joined.
    ///
    /// - Parameter maximumAge: as for `lookup`, which is tried again: a flight may
    ///   have come back since. 0 = what a flight under way will bring is too old.
    package mutating func join(
        hash: UInt64, key: RecordKey, waiter: CacheWaiter, now: BootInstant, wall: WallMilliseconds,
        maximumAge: UInt64
    ) -> CacheJoin {
        let fresh = maximumAge == 0
        if !fresh, let (value, age) = lookup(hash: hash, key: key, now: now, wall: wall, maximumAge: maximumAge) {
            return .hit(value, ageMilliseconds: age)
        }
        let stripe = stripe(hash)
        let writing = writers[stripe] > 0
        if !fresh, !writing, let id = current[hash], let flight = flights[id],
            flight.ticket.fence == fences[stripe], flight.ticket.key == key
        {
            guard flight.waiters.count < configuration.maximumWaiters else { return .refused }
            flights[id]!.waiters.append(waiter)
            return .follow
        }
        guard flights.count < maximumFlights else { return .refused }
        nextFlight += flightStep
        let ticket = FlightTicket(
            id: nextFlight, key: key, hash: hash, fence: fences[stripe], isAlone: writing)
        flights[ticket.id] = Flight(ticket: ticket, waiters: [waiter])
        if !writing { current[hash] = ticket.id }
        return .lead(ticket)
    }

    /// Ends the flight. `value` is nil for a failure or a record that is not
    /// there; then what was cached goes, if the vault was definite.
    ///
    /// - Returns: everybody who waited.
    package mutating func complete(
        _ ticket: FlightTicket, value: CachedValue?, definite: Bool
    ) -> [CacheWaiter] {
        guard let flight = flights.removeValue(forKey: ticket.id) else { return [] }
        if current[ticket.hash] == ticket.id { current[ticket.hash] = nil }
        let stripe = stripe(ticket.hash)
        if !ticket.isAlone, writers[stripe] == 0, fences[stripe] == ticket.fence {
            if let value { insert(ticket.key, ticket.hash, value) } else if definite { table.remove(ticket.hash) }
        }
        return flight.waiters
    }

    // MARK: Writing

    /// From now until `endWrite`, Gets of this key ask the vault.
    package mutating func beginWrite(hash: UInt64, key: RecordKey) -> WriteTicket {
        let stripe = stripe(hash)
        fences[stripe] += 1
        writers[stripe] += 1
        table.remove(hash)
        return WriteTicket(key: key, hash: hash, fence: fences[stripe], wasAlone: writers[stripe] == 1)
    }

    package mutating func endWrite(_ ticket: WriteTicket, _ outcome: WriteOutcome) {
        let stripe = stripe(ticket.hash)
        writers[stripe] -= 1
        fences[stripe] += 1
        // With another write to the stripe meanwhile, nobody knows which was last.
        guard ticket.wasAlone, fences[stripe] == ticket.fence + 1 else { return }
        if case .acknowledged(let value?) = outcome { insert(ticket.key, ticket.hash, value) }
    }

    private mutating func insert(_ key: RecordKey, _ hash: UInt64, _ value: CachedValue) {
        guard configuration.ttlMilliseconds > 0 else { return }
        table.insert(
            CacheEntry(
                hash: hash, user: Array(key.user.utf8), connection: Array(key.connection.utf8),
                value: value))
    }

    // MARK: Invalidating

    /// Drops the record of this key; reads under way are not cached.
    package mutating func invalidate(hash: UInt64) -> Int {
        fences[stripe(hash)] += 1
        return table.remove(hash) ? 1 : 0
    }

    /// Drops the records of this user, or all of them; reads under way are not cached.
    package mutating func invalidate(user: [UInt8]?) -> Int {
        for stripe in fences.indices { fences[stripe] += 1 }
        return table.removeAll { user == nil || $0.user == user! }
    }

    // MARK: Counting

    package var count: Int { table.count }
    package var bytes: Int { table.bytes }
    package var evictions: UInt64 { table.evictions }
    package var flightCount: Int { flights.count }
}
