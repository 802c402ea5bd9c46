import CofferCache
import CofferCore

/// Gets, from the first look to the answer.
extension Simulation {
    mutating func get(_ key: Int, maximumAge: UInt64) throws(Violation) {
        if maximumAge > 0 {
            let answer = keys[key].withBytes { user, connection in
                shard.lookup(
                    hash: Self.hash(key), user: user, connection: connection, now: now, wall: wall,
                    maximumAge: maximumAge)
            }
            switch answer {
            case .hit(let hit): return try served(hit, key, maximumAge)
            case .absent: return try servedAbsent(key, maximumAge)
            case .miss: break
            }
        }
        nextWaiter += 1
        waiting[nextWaiter] = Waiting(
            key: key, maximumAge: maximumAge, joinStep: step, joinedAt: now, floor: model[key].floor)
        let joined = shard.join(
            hash: Self.hash(key), key: keys[key], waiter: .call(reactor: 0, serial: nextWaiter), uid: random.pick(Self.uids), now: now,
            wall: wall, maximumAge: maximumAge)
        switch joined {
        case .hit(let hit):
            waiting[nextWaiter] = nil
            try served(hit, key, maximumAge)
        case .absent:
            waiting[nextWaiter] = nil
            try servedAbsent(key, maximumAge)
        case .refused:
            waiting[nextWaiter] = nil
            guard isFull(key) else { throw violation("refused key \(key), and there is room") }
        case .lead(let ticket, let patience):
            try checkLead(ticket, key, maximumAge)
            if let patience { timers.append((patience, ticket.id)) }
        case .follow(let flight, let patience):
            guard let leader = flights.first(where: { $0.ticket.id == flight }), leader.key == key else {
                throw violation("follows a flight that is not of key \(key)")
            }
            if let patience { timers.append((patience, flight)) }
        }
    }

    func isFull(_ key: Int) -> Bool {
        flights.count >= configuration.maximumFlights
            || waiting.values.count { $0.key == key } >= configuration.maximumWaiters
    }

    private mutating func checkLead(_ ticket: FlightTicket, _ key: Int, _ maximumAge: UInt64) throws(Violation) {
        guard flights.count < configuration.maximumFlights else { throw violation("a flight too many") }
        if maximumAge == .max {
            if let shared = model[key].shared { throw violation("two flights for key \(key): \(shared), \(ticket.id)") }
            try checkRecheck(key)
        }
        launched(ticket, key)
    }

    private mutating func launched(_ ticket: FlightTicket, _ key: Int) {
        for other in model.indices where Self.hash(other) == Self.hash(key) { model[other].shared = nil }
        if !isWriting(key) { model[key].shared = ticket.id }
        flights.append(Flying(ticket: ticket, key: key, startedAt: now, startStep: step))
    }

    func isWriting(_ key: Int) -> Bool { writes.contains { Self.hash($0.key) == Self.hash(key) } }

    /// For some time after a failure, what is stale is given without asking.
    private func checkRecheck(_ key: Int) throws(Violation) {
        guard let (until, print) = model[key].mustServe, shard.evictions == 0 else { return }
        let version = vault.versions[prints[print].version]
        guard now < until,
            version.expiresAt == 0 || wall < version.expiresAt,
            now.milliseconds(since: prints[print].startedAt) < usableMilliseconds
        else { return }
        throw violation("asks for key \(key) again, \(until.milliseconds(since: now)) ms too early")
    }

    var usableMilliseconds: UInt64 { configuration.ttlMilliseconds + configuration.staleMilliseconds }

    mutating func refresh(_ key: Int) throws(Violation) {
        let underWay = flights.count { $0.ticket.isRefresh }
        let ticket = shard.beginRefresh(
            hash: Self.hash(key), key: keys[key], uid: random.pick(Self.uids), now: now,
            hasRoom: underWay < configuration.maximumRefreshes)
        guard let ticket else { return }
        guard underWay < configuration.maximumRefreshes else { throw violation("a refresh too many") }
        if let shared = model[key].shared { throw violation("refreshes key \(key) beside flight \(shared)") }
        launched(ticket, key)
    }

    /// The vault looks up what a flight wants to know.
    mutating func readOne() {
        guard !flights.isEmpty else { return }
        read(random.below(flights.count))
    }

    private mutating func read(_ index: Int) {
        guard flights[index].answer == nil else { return }
        flights[index].answer = vault.read(flights[index].key, wall: wall)
        flights[index].readStep = step
    }

    /// A flight comes back.
    mutating func finishFetch(_ index: Int) throws(Violation) {
        read(index)
        let flight = flights.remove(at: index)
        let outcome = outcome(of: flight)
        let wasShared = model[flight.key].shared == flight.ticket.id
        if wasShared { model[flight.key].shared = nil }
        note(outcome, flight)
        guard let delivery = shard.complete(flight.ticket, outcome, now: now, wall: wall) else {
            throw violation("flight \(flight.ticket.id) had ended")
        }
        try checkDelivery(delivery, flight, outcome)
        if wasShared, let stale = delivery.stale, stale.isStale {
            let until = now + .milliseconds(Int64(outcome.recheckMilliseconds))
            model[flight.key].mustServe = (until, try printNumber(stale))
        }
    }

    /// What the daemon makes of the answer: an expired record is none.
    private mutating func outcome(of flight: Flying) -> FlightOutcome {
        switch flight.answer {
        case .version(let number):
            let version = vault.versions[number]
            guard version.expiresAt == 0 || wall < version.expiresAt else { return .absent }
            return .found(
                value(
                    flight.key, number, since: flight.startedAt, startStep: flight.startStep,
                    readStep: flight.readStep))
        case .absent: return .absent
        case .refused: return .refusedDefinitely
        case .failed, nil: return flight.startStep.isMultiple(of: 2) ? .turnedAway : .failedTransiently
        }
    }

    private mutating func note(_ outcome: FlightOutcome, _ flight: Flying) {
        switch outcome {
        case .failedTransiently, .turnedAway:
            model[flight.key].failedAt = now
            return
        case .found: break
        case .absent:
            model[flight.key].absences.append(
                .init(startedAt: flight.startedAt, startStep: flight.startStep, readStep: flight.readStep))
            fallthrough
        case .refusedDefinitely:
            model[flight.key].refusedReadStep = flight.readStep
            // A write under way is not to bring back what it was given; that moves the fence.
            let fenced = isWriting(flight.key) ? mates(flight.key, Self.stripe) : mates(flight.key, Self.hash)
            for other in fenced { model[other].shared = nil }
        }
        for other in mates(flight.key, Self.hash) { model[other].mustServe = nil }
    }

    /// The keys that have this in common with it, itself too.
    func mates<Value: Equatable>(_ key: Int, _ what: (Int) -> Value) -> [Int] {
        model.indices.filter { what($0) == what(key) }
    }

    /// Flights that take too long are given up on by those who can.
    mutating func ringTimers() throws(Violation) {
        while let index = timers.firstIndex(where: { $0.until <= now }) {
            let timer = timers.remove(at: index)
            let delivery = shard.takeStale(flight: timer.flight, now: now, wall: wall)
            guard delivery.waiters.isEmpty else { throw violation("gave up on those who have nothing else") }
            guard let flight = flights.first(where: { $0.ticket.id == timer.flight }) else {
                guard delivery.servedStale.isEmpty else { throw violation("waiters of no flight") }
                continue
            }
            try checkContented(delivery, flight)
        }
    }
}
