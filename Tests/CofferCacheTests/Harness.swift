import CofferCache
import CofferCacheSimulation
import CofferCore

/// Drives one shard with a clock of its own, by hashes of the test's choice.
struct Harness {
    var shard: CacheShard
    var now = BootInstant(nanoseconds: 1_000_000_000_000)
    var wall: WallMilliseconds = 1_000_000

    init(_ configuration: CacheConfiguration = CacheConfiguration(), seed: UInt64 = 1) {
        shard = CacheShard(configuration: configuration, index: 0, count: 1, seed: seed)
    }

    func key(_ name: String) -> RecordKey {
        guard let key = try? RecordKey(user: name, connection: "c") else { fatalError("bad key \(name)") }
        return key
    }

    /// Each name its own, the same in each run: FNV-1a, mixed.
    func hash(_ name: String) -> UInt64 {
        var mixed = SplitMix(
            seed: name.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 })
        return mixed.next()
    }

    func value(_ byte: UInt8, size: Int = 8, expiresAt: WallMilliseconds = 0) -> CachedValue {
        CachedValue(
            sealed: Array(repeating: byte, count: size), nonce: 1, fetchedAt: now, expiresAt: expiresAt)
    }

    mutating func pass(_ milliseconds: UInt64) {
        now = now + .milliseconds(Int64(milliseconds))
        wall += milliseconds
    }

    mutating func answer(
        _ name: String, hash: UInt64? = nil, maximumAge: UInt64 = .max
    ) -> CacheAnswer {
        shard.lookup(
            hash: hash ?? self.hash(name), user: name.utf8Span.span.bytes, connection: "c".utf8Span.span.bytes,
            now: now, wall: wall, maximumAge: maximumAge)
    }

    mutating func hit(_ name: String, hash: UInt64? = nil, maximumAge: UInt64 = .max) -> CacheHit? {
        guard case .hit(let hit) = answer(name, hash: hash, maximumAge: maximumAge) else { return nil }
        return hit
    }

    /// The first byte of the value.
    mutating func lookup(_ name: String, hash: UInt64? = nil, maximumAge: UInt64 = .max) -> UInt8? {
        hit(name, hash: hash, maximumAge: maximumAge)?.byte
    }

    mutating func isAbsent(_ name: String, maximumAge: UInt64 = .max) -> Bool {
        guard case .absent = answer(name, maximumAge: maximumAge) else { return false }
        return true
    }

    mutating func join(
        _ name: String, hash: UInt64? = nil, waiter: UInt64 = 0, uid: UInt32 = 1, maximumAge: UInt64 = .max
    ) -> CacheJoin {
        shard.join(
            hash: hash ?? self.hash(name), key: key(name), waiter: .task(waiter), uid: uid, now: now, wall: wall,
            maximumAge: maximumAge)
    }

    mutating func lead(
        _ name: String, hash: UInt64? = nil, waiter: UInt64 = 0, uid: UInt32 = 1, maximumAge: UInt64 = .max
    ) throws -> FlightTicket {
        let joined = join(name, hash: hash, waiter: waiter, uid: uid, maximumAge: maximumAge)
        guard case .lead(let ticket, _) = joined else { throw Failure.internalError("not the leader") }
        return ticket
    }

    @discardableResult
    mutating func complete(_ ticket: FlightTicket, _ outcome: FlightOutcome) -> CacheDelivery {
        shard.complete(ticket, outcome, now: now, wall: wall) ?? CacheDelivery()
    }

    /// As if the vault had been asked just now.
    mutating func fill(_ name: String, hash: UInt64? = nil, _ value: CachedValue, uid: UInt32 = 1) throws {
        complete(try lead(name, hash: hash, uid: uid, maximumAge: 0), .found(value))
    }

    mutating func fail(_ name: String, _ outcome: FlightOutcome) throws {
        complete(try lead(name, maximumAge: 0), outcome)
    }

    mutating func beginWrite(_ name: String, hash: UInt64? = nil) -> WriteTicket {
        shard.beginWrite(hash: hash ?? self.hash(name), key: key(name), uid: 1, now: now)
    }

    mutating func endWrite(_ ticket: WriteTicket, _ outcome: WriteOutcome) {
        shard.endWrite(ticket, outcome, now: now, wall: wall)
    }
}

extension CacheHit {
    /// The first byte of the sealed value.
    var byte: UInt8 { value.bytes[value.offset] }
}
