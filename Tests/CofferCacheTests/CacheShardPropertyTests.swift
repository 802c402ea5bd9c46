import CofferCache
import CofferCore
import Testing

/// One shard, asked by hashes of the test's choice: as rare as collisions are,
/// nothing may rest on there being none.
private struct Shard {
    var shard: CacheShard
    var now = BootInstant(nanoseconds: 1_000_000_000_000)

    init(_ configuration: CacheConfiguration = CacheConfiguration()) {
        shard = CacheShard(configuration: configuration, index: 0, count: 1)
    }

    func value(_ byte: UInt8, size: Int = 8) -> CachedValue {
        CachedValue(sealed: Array(repeating: byte, count: size), nonce: 1, fetchedAt: now, expiresAt: 0)
    }

    mutating func lookup(_ key: RecordKey, hash: UInt64, maximumAge: UInt64 = .max) -> UInt8? {
        shard.lookup(
            hash: hash, user: key.user.utf8Span.span.bytes, connection: key.connection.utf8Span.span.bytes,
            now: now, wall: 1, maximumAge: maximumAge)?.value.sealed.first
    }

    mutating func join(_ key: RecordKey, hash: UInt64, maximumAge: UInt64 = .max) -> CacheJoin {
        shard.join(hash: hash, key: key, waiter: .task(0), now: now, wall: 1, maximumAge: maximumAge)
    }

    mutating func lead(_ key: RecordKey, hash: UInt64) throws -> FlightTicket {
        guard case .lead(let ticket) = join(key, hash: hash, maximumAge: 0) else {
            throw Failure.internalError("not the leader")
        }
        return ticket
    }

    mutating func fill(_ key: RecordKey, hash: UInt64, _ value: CachedValue) throws {
        _ = shard.complete(try lead(key, hash: hash), value: value, definite: true)
    }
}

@Suite struct CacheShardPropertyTests {
    private func key(_ user: String) throws -> RecordKey { try RecordKey(user: user, connection: "c") }

    @Test func theMaximumAgeIsOldEnough() throws {
        var cache = Shard()
        let key = try key("a")
        try cache.fill(key, hash: 1, cache.value(1))
        cache.now = cache.now + .milliseconds(5)
        #expect(cache.lookup(key, hash: 1, maximumAge: 5) == 1)
        #expect(cache.lookup(key, hash: 1, maximumAge: 4) == nil)
    }

    @Test func invalidatingAKeyFencesReadsUnderWay() throws {
        var cache = Shard()
        let key = try key("a")
        try cache.fill(key, hash: 1, cache.value(1))
        let slow = try cache.lead(key, hash: 1)
        #expect(cache.shard.invalidate(hash: 1) == 1)
        _ = cache.shard.complete(slow, value: cache.value(1), definite: true)
        #expect(cache.lookup(key, hash: 1) == nil)
        #expect(cache.shard.invalidate(hash: 1) == 0)
    }

    @Test func keysWithOneHashAreNotConfused() throws {
        var cache = Shard()
        let (a, b) = (try key("a"), try key("b"))
        try cache.fill(a, hash: 7, cache.value(1))
        #expect(cache.lookup(b, hash: 7) == nil)
        _ = try cache.lead(a, hash: 7)
        // Not the answer of the other key's flight.
        guard case .lead(let ticket) = cache.join(b, hash: 7) else {
            Issue.record("joined the flight of another key")
            return
        }
        _ = cache.shard.complete(ticket, value: cache.value(2), definite: true)
        #expect(cache.lookup(b, hash: 7) == 2)
        #expect(cache.lookup(a, hash: 7) == nil)
    }

    /// Random fills, reads and drops: whatever is found is what was put in last,
    /// and the bytes are those of what can be found.
    @Test(arguments: 0..<40) func findsOnlyWhatWasPutInAndCountsItsBytes(seed: UInt64) throws {
        var random = Random(state: seed)
        let limit = 12 * (CacheConfiguration.overheadBytes + 20)
        var cache = Shard(CacheConfiguration(maximumBytes: limit))
        let keys = try (0..<30).map { try key("k\($0)") }
        var model: [Int: (byte: UInt8, cost: Int)] = [:]
        for step in 0..<500 {
            let index = random.below(keys.count)
            let hash = UInt64(index) << 32 | UInt64(index)
            switch random.below(6) {
            case 0...2:
                let size = 1 + random.below(40)
                let byte = UInt8(random.below(256))
                try cache.fill(keys[index], hash: hash, cache.value(byte, size: size))
                model[index] = (byte, keys[index].user.utf8.count + 1 + size + CacheConfiguration.overheadBytes)
            case 3, 4:
                if let found = cache.lookup(keys[index], hash: hash) {
                    #expect(found == model[index]?.byte, "seed \(seed), step \(step)")
                }
            default:
                _ = cache.shard.invalidate(hash: hash)
                model[index] = nil
            }
            #expect(cache.shard.bytes <= limit, "seed \(seed), step \(step)")
        }
        let found = keys.indices.filter { cache.lookup(keys[$0], hash: UInt64($0) << 32 | UInt64($0)) != nil }
        #expect(cache.shard.count == found.count)
        #expect(cache.shard.bytes == found.reduce(0) { $0 + (model[$1]?.cost ?? 0) })
        #expect(!found.isEmpty)
    }
}

/// A generator whose runs can be repeated (Knuth's MMIX numbers).
private struct Random {
    var state: UInt64

    mutating func below(_ bound: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int((state >> 33) % UInt64(bound))
    }
}
