import CofferCache
import CofferCore
import Testing

/// Drives one shard with a clock of its own.
private struct Harness {
    var shard: CacheShard
    var now = BootInstant(nanoseconds: 1_000_000_000_000)
    var wall: WallMilliseconds = 1_000_000
    let hasher = KeyHasher(random: SystemRandom())

    init(_ configuration: CacheConfiguration = CacheConfiguration()) {
        shard = CacheShard(configuration: configuration, index: 0, count: 1)
    }

    func key(_ name: String) -> RecordKey {
        guard let key = try? RecordKey(user: name, connection: "c") else { fatalError("bad key") }
        return key
    }

    func value(_ byte: UInt8, size: Int = 8, expiresAt: WallMilliseconds = 0) -> CachedValue {
        CachedValue(
            sealed: Array(repeating: byte, count: size), nonce: 1, fetchedAt: now, expiresAt: expiresAt)
    }

    mutating func lookup(_ name: String, maximumAge: UInt64 = .max) -> UInt8? {
        let key = key(name)
        let user = Array(key.user.utf8)
        let connection = Array(key.connection.utf8)
        return user.withUnsafeBytes { user in
            connection.withUnsafeBytes { connection in
                shard.lookup(
                    hash: hasher.hash(key), user: user.bytes, connection: connection.bytes, now: now,
                    wall: wall, maximumAge: maximumAge)?.value.sealed.first
            }
        }
    }

    mutating func join(_ name: String, waiter: UInt64, fresh: Bool = false) -> CacheJoin {
        shard.join(
            hash: hasher.hash(key(name)), key: key(name), waiter: .task(waiter), now: now, wall: wall,
            maximumAge: fresh ? 0 : .max)
    }

    mutating func lead(_ name: String, waiter: UInt64 = 0, fresh: Bool = false) throws -> FlightTicket {
        guard case .lead(let ticket) = join(name, waiter: waiter, fresh: fresh) else {
            throw Failure.internalError("not the leader")
        }
        return ticket
    }

    mutating func fill(_ name: String, _ value: CachedValue) throws {
        _ = shard.complete(try lead(name), value: value, definite: true)
    }

    mutating func beginWrite(_ name: String) -> WriteTicket {
        shard.beginWrite(hash: hasher.hash(key(name)), key: key(name))
    }
}

@Suite struct CacheShardTests {
    @Test func keepsAnAnswerForTheTTL() throws {
        var cache = Harness()
        try cache.fill("a", cache.value(1))
        #expect(cache.lookup("a") == 1)
        cache.now = cache.now + .milliseconds(299_999)
        #expect(cache.lookup("a") == 1)
        #expect(cache.lookup("a", maximumAge: 299_998) == nil)
        cache.now = cache.now + .milliseconds(1)
        #expect(cache.lookup("a") == nil)
    }

    @Test func theRecordsOwnExpiryWins() throws {
        var cache = Harness()
        try cache.fill("a", cache.value(1, expiresAt: cache.wall + 1))
        #expect(cache.lookup("a") == 1)
        cache.wall += 1
        #expect(cache.lookup("a") == nil)
        #expect(cache.shard.count == 0)
    }

    @Test func oneFlightForAllWhoAsk() throws {
        var cache = Harness()
        let ticket = try cache.lead("a", waiter: 0)
        for waiter in 1..<1_000 {
            guard case .follow = cache.join("a", waiter: UInt64(waiter)) else {
                Issue.record("waiter \(waiter) started a flight")
                return
            }
        }
        let waiters = cache.shard.complete(ticket, value: cache.value(1), definite: true)
        #expect(waiters == (0..<1_000).map { .task($0) })
        #expect(cache.lookup("a") == 1)
        #expect(cache.shard.flightCount == 0)
    }

    @Test func aFreshReadDoesNotJoin() throws {
        var cache = Harness()
        _ = try cache.lead("a")
        _ = try cache.lead("a", waiter: 1, fresh: true)
        guard case .follow = cache.join("a", waiter: 2) else {
            Issue.record("the newest flight can be joined")
            return
        }
    }

    /// Who has missed and then waited for the lock finds what came meanwhile.
    @Test func joiningLooksAgain() throws {
        var cache = Harness()
        try cache.fill("a", cache.value(1))
        guard case .hit(let value, let age) = cache.join("a", waiter: 1) else {
            Issue.record("a second flight was started")
            return
        }
        #expect(value.sealed.first == 1)
        #expect(age == 0)
        cache.now = cache.now + .seconds(300)
        _ = try cache.lead("a", waiter: 2)
    }

    @Test func limitsWaitersAndFlights() throws {
        var cache = Harness(CacheConfiguration(maximumWaiters: 2, maximumFlights: 2))
        _ = try cache.lead("a")
        guard case .follow = cache.join("a", waiter: 1), case .refused = cache.join("a", waiter: 2)
        else {
            Issue.record("a third waiter was taken")
            return
        }
        _ = try cache.lead("b")
        guard case .refused = cache.join("c", waiter: 3) else {
            Issue.record("a third flight was started")
            return
        }
    }

    @Test func aDefiniteNoEvictsAndATransientOneDoesNot() throws {
        var cache = Harness()
        try cache.fill("a", cache.value(1))
        _ = cache.shard.complete(try cache.lead("a", fresh: true), value: nil, definite: false)
        #expect(cache.lookup("a") == 1)
        _ = cache.shard.complete(try cache.lead("a", fresh: true), value: nil, definite: true)
        #expect(cache.lookup("a") == nil)
    }

    @Test func aSlowReadNeverBringsAnOldValueBack() throws {
        var cache = Harness()
        let slow = try cache.lead("a")
        let write = cache.beginWrite("a")
        cache.shard.endWrite(write, .acknowledged(cache.value(2)))
        #expect(cache.lookup("a") == 2)
        _ = cache.shard.complete(slow, value: cache.value(1), definite: true)
        #expect(cache.lookup("a") == 2)
    }

    @Test func whoAsksAfterAWriteDoesNotJoinAReadFromBefore() throws {
        var cache = Harness(CacheConfiguration(ttlMilliseconds: 0))
        _ = try cache.lead("a")
        cache.shard.endWrite(cache.beginWrite("a"), .acknowledged(cache.value(2)))
        _ = try cache.lead("a", waiter: 1)
    }

    @Test func duringAWriteNobodySharesOrCaches() throws {
        var cache = Harness()
        try cache.fill("a", cache.value(1))
        let write = cache.beginWrite("a")
        #expect(cache.lookup("a") == nil)
        let during = try cache.lead("a", waiter: 1)
        _ = try cache.lead("a", waiter: 2)
        _ = cache.shard.complete(during, value: cache.value(1), definite: true)
        cache.shard.endWrite(write, .ambiguous)
        #expect(cache.lookup("a") == nil)
    }

    @Test func afterTwoWritesAtOnceNobodyKnows() throws {
        var cache = Harness()
        let first = cache.beginWrite("a")
        let second = cache.beginWrite("a")
        cache.shard.endWrite(second, .acknowledged(cache.value(2)))
        cache.shard.endWrite(first, .acknowledged(cache.value(1)))
        #expect(cache.lookup("a") == nil)
    }

    @Test func invalidatingFencesReadsUnderWay() throws {
        var cache = Harness()
        try cache.fill("a", cache.value(1))
        try cache.fill("b", cache.value(2))
        let slow = try cache.lead("a", fresh: true)
        #expect(cache.shard.invalidate(user: Array("a".utf8)) == 1)
        _ = cache.shard.complete(slow, value: cache.value(1), definite: true)
        #expect(cache.lookup("a") == nil)
        #expect(cache.lookup("b") == 2)
        #expect(cache.shard.invalidate(user: nil) == 1)
        #expect(cache.lookup("b") == nil)
        #expect(cache.shard.bytes == 0)
    }

    @Test func staysWithinItsBytesAndKeepsWhatIsRead() throws {
        let limit = 100 * (CacheConfiguration.overheadBytes + 64)
        var cache = Harness(CacheConfiguration(maximumBytes: limit))
        try cache.fill("hot", cache.value(7, size: 40))
        for index in 0..<5_000 {
            try cache.fill("k\(index)", cache.value(1, size: 40))
            #expect(cache.shard.bytes <= limit)
            #expect(cache.lookup("hot") == 7)
        }
        #expect(cache.shard.count > 90)
        #expect(cache.shard.evictions > 4_000)
        try cache.fill("huge", cache.value(1, size: limit))
        #expect(cache.lookup("huge") == nil)
    }
}

/// Random interleavings of reads, writes and answers over a vault that is a
/// number per key. Versions are the order in which the vault took writes.
@Suite struct CacheInterleavingTests {
    @Test(arguments: 0..<200) func neverGivesLessThanWasAcknowledged(seed: UInt64) {
        var random = SplitMix(state: seed)
        var cache = Harness(CacheConfiguration(maximumBytes: 4_096))
        let names = ["a", "b", "c"]
        var vault = [0, 0, 0]
        var acknowledged = [0, 0, 0]
        var clock = 0
        var flights: [(ticket: FlightTicket, key: Int, read: Int?)] = []
        var joined: [UInt64: (key: Int, floor: Int)] = [:]
        var writes: [(ticket: WriteTicket, key: Int, applied: Int?)] = []

        func cached(_ version: Int) -> CachedValue {
            CachedValue(
                sealed: withUnsafeBytes(of: version) { Array($0) }, nonce: 0, fetchedAt: cache.now,
                expiresAt: 0)
        }
        for step in 0..<2_000 {
            let key = Int(random.next() % 3)
            switch random.next() % 7 {
            case 0, 1:
                if let version = cache.version(names[key]) {
                    #expect(version >= acknowledged[key], "seed \(seed), step \(step)")
                } else {
                    joined[UInt64(step)] = (key, acknowledged[key])
                    if case .lead(let ticket) = cache.join(names[key], waiter: UInt64(step)) {
                        flights.append((ticket, key, nil))
                    }
                }
            case 2:
                guard !flights.isEmpty else { continue }
                let index = Int(random.next() % UInt64(flights.count))
                flights[index].read = flights[index].read ?? vault[flights[index].key]
            case 3:
                guard !flights.isEmpty else { continue }
                let flight = flights.remove(at: Int(random.next() % UInt64(flights.count)))
                let version = flight.read ?? vault[flight.key]
                for case .task(let waiter) in cache.shard.complete(
                    flight.ticket, value: cached(version), definite: true)
                {
                    guard let (key, floor) = joined.removeValue(forKey: waiter) else {
                        Issue.record("answered twice: seed \(seed), step \(step)")
                        return
                    }
                    #expect(key == flight.key)
                    #expect(version >= floor, "seed \(seed), step \(step)")
                }
            case 4:
                guard writes.count < 3 else { continue }
                writes.append((cache.beginWrite(names[key]), key, nil))
            case 5:
                guard !writes.isEmpty else { continue }
                let index = Int(random.next() % UInt64(writes.count))
                guard writes[index].applied == nil else { continue }
                clock += 1
                vault[writes[index].key] = clock
                writes[index].applied = clock
            default:
                guard !writes.isEmpty else { continue }
                let write = writes.remove(at: Int(random.next() % UInt64(writes.count)))
                guard let version = write.applied else {
                    cache.shard.endWrite(write.ticket, .refused)
                    continue
                }
                if random.next() % 4 == 0 {
                    cache.shard.endWrite(write.ticket, .ambiguous)
                } else {
                    cache.shard.endWrite(write.ticket, .acknowledged(cached(version)))
                    acknowledged[write.key] = max(acknowledged[write.key], version)
                }
            }
        }
    }
}

extension Harness {
    fileprivate mutating func version(_ name: String) -> Int? {
        let key = key(name)
        let user = Array(key.user.utf8)
        let connection = Array(key.connection.utf8)
        return user.withUnsafeBytes { user in
            connection.withUnsafeBytes { connection in
                shard.lookup(
                    hash: hasher.hash(key), user: user.bytes, connection: connection.bytes, now: now,
                    wall: wall, maximumAge: .max
                )?.value.sealed.withUnsafeBytes { $0.load(as: Int.self) }
            }
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood): a failing seed replays.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}
