package import CofferCore
import Synchronization

/// Sealed answers by key, shared by all threads: shards behind a lock each.
///
/// No lock is held while anything waits: reading, joining and completing are
/// steps of `CacheShard`, which does no I/O.
package final class Cache: Sendable {
    private static let shardCount = 16

    private final class Shard: Sendable {
        let state: Mutex<CacheShard>
        init(_ state: CacheShard) { self.state = Mutex(state) }
    }

    private let shards: [Shard]
    private let hasher: KeyHasher
    private let refreshing = Atomic<Int>(0)
    package let configuration: CacheConfiguration

    /// - Parameter random: for the seed of the hashes, and the moments of refreshing.
    package init(configuration: CacheConfiguration, random: some RandomSource) {
        self.configuration = configuration
        hasher = KeyHasher(random: random)
        shards = (0..<Self.shardCount).map {
            let seed = random.bytes(8).reduce(0) { $0 << 8 | UInt64($1) }
            return Shard(
                CacheShard(configuration: configuration, index: $0, count: Self.shardCount, seed: seed))
        }
    }

    // For hashes and, as shards count their flights in steps, for their ids.
    @inline(__always)
    private func shard(_ number: UInt64) -> Shard {
        shards[Int(truncatingIfNeeded: number & UInt64(Self.shardCount - 1))]
    }

    // MARK: Reading

    /// The sealed answer if it may be given; see `CacheShard.lookup`.
    @inline(__always)
    package func lookup(
        user: RawSpan, connection: RawSpan, now: BootInstant, wall: WallMilliseconds,
        maximumAge: UInt64
    ) -> CacheAnswer {
        let hash = hasher.hash(user: user, connection: connection)
        return shard(hash).state.withLock {
            $0.lookup(
                hash: hash, user: user, connection: connection, now: now, wall: wall,
                maximumAge: maximumAge)
        }
    }

    /// Looks for nothing, in the time that it takes to find that a record is known not to be there; what is cached of that
    /// record has no part in it.
    @inline(never)
    package func lookupNothing(user: RawSpan, connection: RawSpan) {
        let hash = ~hasher.hash(user: user, connection: connection)
        shard(hash).state.withLock { $0.lookupNothing(hash: hash, user: user, connection: connection) }
    }

    /// The same for a key.
    package func lookup(
        _ key: RecordKey, now: BootInstant, wall: WallMilliseconds, maximumAge: UInt64
    ) -> CacheAnswer {
        key.withBytes { lookup(user: $0, connection: $1, now: now, wall: wall, maximumAge: maximumAge) }
    }

    /// Waits for the flight of this key, or starts it; see `CacheShard.join`.
    package func join(
        _ key: RecordKey, waiter: CacheWaiter, uid: UInt32, now: BootInstant, wall: WallMilliseconds,
        maximumAge: UInt64
    ) -> CacheJoin {
        let hash = hasher.hash(key)
        return shard(hash).state.withLock {
            $0.join(
                hash: hash, key: key, waiter: waiter, uid: uid, now: now, wall: wall,
                maximumAge: maximumAge)
        }
    }

    /// The waiter wants no answer any more; see `CacheShard.leave`.
    package func leave(flight: UInt64, waiter: CacheWaiter, isClosing: Bool) -> Bool {
        shard(flight).state.withLock { $0.leave(flight: flight, waiter: waiter, isClosing: isClosing) }
    }

    /// Gives up waiting for a slow flight where there is something stale to give;
    /// see `CacheShard.takeStale`.
    package func takeStale(flight: UInt64, now: BootInstant, wall: WallMilliseconds) -> CacheDelivery {
        shard(flight).state.withLock { $0.takeStale(flight: flight, now: now, wall: wall) }
    }

    /// What may be given in a vault's place; see `CacheShard.takeStale`.
    package func takeStale(_ key: RecordKey, now: BootInstant, wall: WallMilliseconds, maximumAge: UInt64) -> CacheHit? {
        let hash = hasher.hash(key)
        return shard(hash).state.withLock {
            $0.takeStale(hash: hash, key: key, now: now, wall: wall, maximumAge: maximumAge)
        }
    }

    /// Starts the refresh that `lookup` asked for, unless as many are under way as
    /// may be; see `CacheShard.beginRefresh`. The ticket is to be completed.
    package func beginRefresh(_ key: RecordKey, uid: UInt32, now: BootInstant) -> FlightTicket? {
        let hash = hasher.hash(key)
        let hasRoom = refreshing.wrappingAdd(1, ordering: .relaxed).oldValue < configuration.maximumRefreshes
        let ticket = shard(hash).state.withLock {
            $0.beginRefresh(hash: hash, key: key, uid: uid, now: now, hasRoom: hasRoom)
        }
        if ticket == nil { refreshing.wrappingSubtract(1, ordering: .relaxed) }
        return ticket
    }

    /// Ends the flight; see `CacheShard.complete`.
    package func complete(
        _ ticket: FlightTicket, _ outcome: FlightOutcome, now: BootInstant, wall: WallMilliseconds
    ) -> CacheDelivery {
        let delivery = shard(ticket.hash).state.withLock {
            $0.complete(ticket, outcome, now: now, wall: wall)
        }
        if delivery != nil && ticket.isRefresh { refreshing.wrappingSubtract(1, ordering: .relaxed) }
        return delivery ?? CacheDelivery()
    }

    // MARK: Writing

    /// Before a write goes to the vault; see `CacheShard.beginWrite`.
    package func beginWrite(_ key: RecordKey, uid: UInt32, now: BootInstant) -> WriteTicket {
        let hash = hasher.hash(key)
        return shard(hash).state.withLock { $0.beginWrite(hash: hash, key: key, uid: uid, now: now) }
    }

    /// After it; see `CacheShard.endWrite`.
    package func endWrite(
        _ ticket: WriteTicket, _ outcome: WriteOutcome, now: BootInstant, wall: WallMilliseconds
    ) {
        shard(ticket.hash).state.withLock { $0.endWrite(ticket, outcome, now: now, wall: wall) }
    }

    // MARK: Invalidating

    /// Drops the record of this key, or that there is none; returns how many that were.
    package func invalidate(_ key: RecordKey) -> Int {
        let hash = hasher.hash(key)
        return shard(hash).state.withLock { $0.invalidate(hash: hash) }
    }

    /// - Parameter user: nil = all records.
    package func invalidate(user: String?) -> Int {
        let bytes = user.map { Array($0.utf8) }
        return shards.reduce(0) { $0 + $1.state.withLock { $0.invalidate(user: bytes) } }
    }

    /// These records may have changed: the next Get asks the vault, and only while that cannot answer
    /// gets what is cached, marked as stale. Reads under way are not cached.
    ///
    /// - Parameter isConcerned: called with a lock held, for each record.
    package func doubt(where isConcerned: (RecordKey) -> Bool) {
        for shard in shards { shard.state.withLock { $0.doubt(where: isConcerned) } }
    }

    // MARK: Counting

    /// What the cache holds and has under way now, over all shards.
    package struct Usage: Sendable {
        package var entries = 0
        package var bytes = 0
        package var evictions: UInt64 = 0
        package var flights = 0
        /// Entries refreshed, or tried, before their TTL was over.
        package var refreshes: UInt64 = 0
        /// Answers given past their TTL.
        package var staleAnswers: UInt64 = 0
    }

    package var usage: Usage {
        shards.reduce(into: Usage()) { usage, shard in
            shard.state.withLock {
                usage.entries += $0.count
                usage.bytes += $0.bytes
                usage.evictions += $0.evictions
                usage.flights += $0.flightCount
                usage.refreshes += $0.refreshes
                usage.staleAnswers += $0.staleAnswers
            }
        }
    }
}
