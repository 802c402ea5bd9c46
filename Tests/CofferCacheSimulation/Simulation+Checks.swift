import CofferCache
import CofferCore

/// The promises.
extension Simulation {
    /// Which print the value is of; its bytes and what stands beside them agree.
    func printNumber(_ hit: CacheHit) throws(Violation) -> Int {
        let sealed = hit.value.bytes[hit.value.offset...]
        let number = sealed.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        guard sealed.count >= 8, prints.indices.contains(number), hit.value.nonce == UInt64(number) else {
            throw violation("a value that nobody put in")
        }
        return number
    }

    /// A value from the cache.
    mutating func served(_ hit: CacheHit, _ key: Int, _ maximumAge: UInt64) throws(Violation) {
        try check(hit, key, maximumAge)
        if hit.isStale {
            let hasFailed = model[key].failedAt.map {
                now.milliseconds(since: $0) < CacheConfiguration.recheckMilliseconds
            }
            let isSlow = flights.contains { $0.key == key && $0.startedAt + CacheConfiguration.patience <= now }
            guard hasFailed == true || isSlow || isFull(key) else {
                throw violation("a stale value of key \(key), and nobody asked the vault")
            }
        }
        guard hit.wantsRefresh else { return }
        let print = try printNumber(hit)
        guard configuration.maximumRefreshes > 0, hit.ageMilliseconds * 5 >= configuration.ttlMilliseconds * 4 else {
            throw violation("key \(key) is to be refreshed at an age of \(hit.ageMilliseconds) ms")
        }
        if let told = model[key].refreshTold, told.print == print, now.milliseconds(since: told.at) < 1_000 {
            throw violation("two are told to refresh key \(key)")
        }
        model[key].refreshTold = (now, print)
        try refresh(key)
    }

    private func check(_ hit: CacheHit, _ key: Int, _ maximumAge: UInt64) throws(Violation) {
        let print = prints[try printNumber(hit)]
        let known = model[key]
        let version = vault.versions[print.version]
        let age = now.milliseconds(since: print.startedAt)
        guard print.key == key else { throw violation("key \(key) is answered with key \(print.key)") }
        guard print.version >= known.floor else {
            throw violation("key \(key) has version \(print.version), \(known.floor) was acknowledged")
        }
        guard version.expiresAt == 0 || wall < version.expiresAt else { throw violation("key \(key) has expired") }
        guard hit.ageMilliseconds == age, age <= maximumAge else {
            throw violation("key \(key): age \(hit.ageMilliseconds) ms, is \(age), at most \(maximumAge)")
        }
        let isDoubted = print.startStep <= known.doubtedStep || isWriting(key)
        guard hit.isStale == (age >= configuration.ttlMilliseconds || isDoubted), age < max(usableMilliseconds, 1)
        else { throw violation("key \(key): age \(age) ms, stale: \(hit.isStale), in doubt: \(isDoubted)") }
        guard print.readStep > known.refusedReadStep else { throw violation("key \(key) after a definite no") }
        guard print.startStep > known.invalidatedStep else { throw violation("key \(key) after it was invalidated") }
    }

    /// NOT_FOUND from the cache: the vault must have said so, recently, and after
    /// the newest acknowledged write.
    func servedAbsent(_ key: Int, _ maximumAge: UInt64) throws(Violation) {
        let lifetime = min(configuration.negativeMilliseconds, configuration.ttlMilliseconds / 10)
        let known = model[key]
        let floor = vault.versions[known.floor]
        let isKnown = known.absences.contains { absence in
            let age = now.milliseconds(since: absence.startedAt)
            return age < lifetime && age <= maximumAge && absence.startStep > known.invalidatedStep
                && absence.readStep >= floor.appliedStep
        }
        guard isKnown else { throw violation("key \(key) is said to be absent") }
    }

    /// Everybody who waited for a flight that has ended.
    mutating func checkDelivery(
        _ delivery: CacheDelivery, _ flight: Flying, _ outcome: FlightOutcome
    ) throws(Violation) {
        if !delivery.servedStale.isEmpty {
            switch outcome {
            case .failedTransiently, .turnedAway: break
            default: throw violation("stale after an answer")
            }
        }
        try checkContented(delivery, flight)
        for waiter in delivery.waiters {
            guard let waiting = try take(waiter, flight) else { continue }
            let floor = vault.versions[waiting.floor]
            switch outcome {
            case .found(let value):
                guard prints[Int(value.nonce)].version >= waiting.floor else {
                    throw violation("key \(flight.key) was read before an acknowledged write")
                }
            case .absent where flight.readStep < floor.appliedStep:
                throw violation("key \(flight.key) was absent before an acknowledged write")
            case .failedTransiently, .turnedAway:
                if let stale = delivery.stale, stale.ageMilliseconds <= waiting.maximumAge {
                    throw violation("a waiter fails where a stale value would do")
                }
            case .absent, .refusedDefinitely: break
            }
            guard waiting.joinedAt.milliseconds(since: flight.startedAt) <= waiting.maximumAge,
                waiting.maximumAge > 0 || flight.startStep >= waiting.joinStep
            else { throw violation("a waiter of key \(flight.key) gets an older read than it asked for") }
        }
        if delivery.waiters.isEmpty && delivery.servedStale.isEmpty { return }
        guard !waiting.values.contains(where: { $0.key == flight.key && flights.allSatisfy { $0.key != flight.key } })
        else { throw violation("a waiter of key \(flight.key) was forgotten") }
    }

    /// Those who get what is cached instead.
    mutating func checkContented(_ delivery: CacheDelivery, _ flight: Flying) throws(Violation) {
        guard delivery.servedStale.isEmpty == (delivery.stale == nil) else { throw violation("nothing for the servedStale") }
        guard let stale = delivery.stale else { return }
        for waiter in delivery.servedStale {
            guard let waiting = try take(waiter, flight) else { continue }
            try check(stale, flight.key, waiting.maximumAge)
        }
    }

    private mutating func take(_ waiter: CacheWaiter, _ flight: Flying) throws(Violation) -> Waiting? {
        guard case .call(_, let number) = waiter, let waiting = waiting.removeValue(forKey: number) else {
            throw violation("a waiter is answered twice, or never waited")
        }
        guard waiting.key == flight.key else { throw violation("a waiter gets the answer for another key") }
        return waiting
    }

    /// What holds at every moment.
    func checkBounds() throws(Violation) {
        let held = Self.uids.reduce(0) { $0 + shard.bytes(of: $1) } + shard.absentBytes
        guard shard.bytes <= configuration.maximumBytes else { throw violation("\(shard.bytes) bytes") }
        guard shard.bytes == held else { throw violation("\(shard.bytes) bytes, of uids and absent \(held)") }
        guard shard.bytes >= shard.count * CacheConfiguration.overheadBytes else { throw violation("too few bytes") }
        guard shard.absentBytes <= configuration.maximumBytes / CacheConfiguration.absentPart else {
            throw violation("\(shard.absentBytes) bytes of what is absent")
        }
        guard shard.flightCount == flights.count else {
            throw violation("\(shard.flightCount) flights, expected \(flights.count)")
        }
    }
}
