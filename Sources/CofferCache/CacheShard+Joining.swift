package import CofferCore

/// What follows a miss, and what comes before one.
extension CacheShard {
    /// Waits for the flight of this key, starting one if none can be joined.
    ///
    /// - Parameters:
    ///   - uid: whose share of the cache the answer counts against.
    ///   - maximumAge: as for `lookup`, which is tried again: a flight may have come
    ///     back since. 0 = what a flight under way will bring is too old.
    package mutating func join(
        hash: UInt64, key: RecordKey, waiter: CacheWaiter, uid: UInt32, now: BootInstant,
        wall: WallMilliseconds, maximumAge: UInt64
    ) -> CacheJoin {
        if maximumAge > 0, let answer = lookAgain(hash, key, now, wall, maximumAge) { return answer }
        let stale = maximumAge > 0 ? content(key, hash, now: now, wall: wall, maximumAge) : nil
        let waiting = Flight.Waiter(token: waiter, maximumAge: maximumAge)
        if maximumAge > 0, let id = joinable(key, hash), let flight = flights[id],
            now.milliseconds(since: flight.ticket.startedAt) <= maximumAge
        {
            if let stale, now >= flight.outOfPatience { return .hit(give(stale.slot, stale.age)) }
            guard flight.waiters.count < configuration.maximumWaiters else { return refuse(stale) }
            flights[id]!.waiters.append(waiting)
            return .follow(flight: id, patience: stale == nil ? nil : time(id))
        }
        guard hasRoomForFlight(of: uid) else { return refuse(stale) }
        let ticket = launch(key, hash, uid: uid, now: now, waiters: [waiting])
        return .lead(ticket, patience: stale == nil ? nil : time(ticket.id))
    }

    private mutating func lookAgain(
        _ hash: UInt64, _ key: RecordKey, _ now: BootInstant, _ wall: WallMilliseconds,
        _ maximumAge: UInt64
    ) -> CacheJoin? {
        let answer = key.withBytes { user, connection in
            lookup(
                hash: hash, user: user, connection: connection, now: now, wall: wall,
                maximumAge: maximumAge)
        }
        return switch answer {
        case .miss: nil
        case .absent: .absent
        case .hit(let hit): .hit(hit)
        }
    }

    /// What may be given if the vault cannot be asked.
    private func content(
        _ key: RecordKey, _ hash: UInt64, now: BootInstant, wall: WallMilliseconds, _ maximumAge: UInt64
    ) -> (slot: Int, age: UInt64)? {
        guard let slot = substitute(key, hash: hash, now: now, wall: wall) else { return nil }
        let age = now.milliseconds(since: table.slots[slot].fetchedAt)
        return age <= maximumAge ? (slot, age) : nil
    }

    private mutating func refuse(_ stale: (slot: Int, age: UInt64)?) -> CacheJoin {
        stale.map { .hit(give($0.slot, $0.age)) } ?? .refused
    }

    /// Nil if somebody looks after it already.
    private mutating func time(_ id: UInt64) -> BootInstant? {
        guard let flight = flights[id], !flight.isTimed else { return nil }
        flights[id]!.isTimed = true
        return flight.outOfPatience
    }

    /// The waiter wants no answer any more.
    ///
    /// - Parameter isClosing: if nobody else waits for the flight, nobody may join it from now
    ///   on, and nothing that it brings is cached: so it can be broken off.
    /// - Returns: whether the flight is under way, and closed.
    package mutating func leave(flight id: UInt64, waiter: CacheWaiter, isClosing: Bool) -> Bool {
        // Without a copy of the waiters, of whom there may be thousands.
        guard let place = flights[id]?.waiters.firstIndex(where: { $0.token == waiter }) else {
            return closeIfUnwanted(flight: id, isClosing: isClosing)
        }
        flights[id]!.waiters.remove(at: place)
        return closeIfUnwanted(flight: id, isClosing: isClosing)
    }

    private mutating func closeIfUnwanted(flight id: UInt64, isClosing: Bool) -> Bool {
        guard isClosing, let flight = flights[id], flight.waiters.isEmpty else { return false }
        close(flight.ticket)
        return true
    }

    /// The flight takes too long: those for whom what is cached will do get that.
    /// The flight goes on. For when the time that `join` said has come.
    package mutating func takeStale(flight id: UInt64, now: BootInstant, wall: WallMilliseconds) -> CacheDelivery {
        var delivery = CacheDelivery()
        guard let flight = flights[id], now >= flight.outOfPatience,
            let slot = substitute(flight.ticket.key, hash: flight.ticket.hash, now: now, wall: wall)
        else { return delivery }
        let age = now.milliseconds(since: table.slots[slot].fetchedAt)
        delivery.servedStale = flights[id]!.takeWaiters(content: age)
        if !delivery.servedStale.isEmpty { delivery.stale = give(slot, age, to: delivery.servedStale.count) }
        return delivery
    }

    /// The same for one who does not wait: the vault was waited for long enough, or there is no time to.
    ///
    /// - Parameter maximumAge: as for `lookup`; 0 = nothing will do.
    package mutating func takeStale(
        hash: UInt64, key: RecordKey, now: BootInstant, wall: WallMilliseconds, maximumAge: UInt64
    ) -> CacheHit? {
        guard maximumAge > 0, let stale = content(key, hash, now: now, wall: wall, maximumAge) else { return nil }
        return give(stale.slot, stale.age)
    }

    /// For one whom `lookup` told that an entry wants to be refreshed, or whom `takeStale` gave a stale one.
    ///
    /// - Parameter hasRoom: not too many refreshes are under way.
    /// - Returns: nil if it is not to be: now, or at all.
    package mutating func beginRefresh(
        hash: UInt64, key: RecordKey, uid: UInt32, now: BootInstant, hasRoom: Bool
    ) -> FlightTicket? {
        guard let slot = find(key, hash), !isBeingWritten(hash), joinable(key, hash) == nil else { return nil }
        guard hasRoom, hasRoomForFlight(of: uid) else {
            let age = now.milliseconds(since: table.slots[slot].fetchedAt)
            table.ask(slot, atAge: age + CacheConfiguration.postponement, hasFailed: table.slots[slot].hasFailed)
            return nil
        }
        return launch(key, hash, uid: uid, now: now, waiters: [])
    }

    // MARK: Counting

    package var count: Int { table.count }
    package var bytes: Int { table.bytes }
    package var evictions: UInt64 { table.evictions }
    package var flightCount: Int { flights.count }
    /// Bytes that count against this uid's share.
    package func bytes(of uid: UInt32) -> Int { table.bytes(of: uid) }
    /// Bytes of what is known to be absent.
    package var absentBytes: Int { table.absentBytes }
}
