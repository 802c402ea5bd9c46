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
    package let configuration: CacheConfiguration

    package init(configuration: CacheConfiguration, random: some RandomSource) {
        self.configuration = configuration
        hasher = KeyHasher(random: random)
        shards = (0..<Self.shardCount).map {
            Shard(CacheShard(configuration: configuration, index: $0, count: Self.shardCount))
        }
    }

    @inline(__always)
    private func shard(_ hash: UInt64) -> Shard { shards[Int(hash & UInt64(Self.shardCount - 1))] }

    /// The sealed answer if it may be given; see `CacheShard.lookup`.
    package func lookup(
        user: RawSpan, connection: RawSpan, now: BootInstant, wall: WallMilliseconds,
        maximumAge: UInt64
    ) -> (value: CachedValue, ageMilliseconds: UInt64)? {
        let hash = hasher.hash(user: user, connection: connection)
        return shard(hash).state.withLock {
            $0.lookup(
                hash: hash, user: user, connection: connection, now: now, wall: wall,
                maximumAge: maximumAge)
        }
    }

    package func join(
        _ key: RecordKey, waiter: CacheWaiter, now: BootInstant, wall: WallMilliseconds,
        maximumAge: UInt64
    ) -> CacheJoin {
        let hash = hasher.hash(key)
        return shard(hash).state.withLock {
            $0.join(
                hash: hash, key: key, waiter: waiter, now: now, wall: wall, maximumAge: maximumAge)
        }
    }

    package func complete(
        _ ticket: FlightTicket, value: CachedValue?, definite: Bool
    ) -> [CacheWaiter] {
        shard(ticket.hash).state.withLock {
            $0.complete(ticket, value: value, definite: definite)
        }
    }

    package func beginWrite(_ key: RecordKey) -> WriteTicket {
        let hash = hasher.hash(key)
        return shard(hash).state.withLock { $0.beginWrite(hash: hash, key: key) }
    }

    package func endWrite(_ ticket: WriteTicket, _ outcome: WriteOutcome) {
        shard(ticket.hash).state.withLock { $0.endWrite(ticket, outcome) }
    }

    package func invalidate(_ key: RecordKey) -> Int {
        let hash = hasher.hash(key)
        return shard(hash).state.withLock { $0.invalidate(hash: hash) }
    }

    /// - Parameter user: nil = all records.
    package func invalidate(user: String?) -> Int {
        let bytes = user.map { Array($0.utf8) }
        return shards.reduce(0) { $0 + $1.state.withLock { $0.invalidate(user: bytes) } }
    }

    /// What the cache holds and has under way now, over all shards.
    package struct Usage: Sendable {
        package var entries = 0
        package var bytes = 0
        package var evictions: UInt64 = 0
        package var flights = 0
    }

    package var usage: Usage {
        shards.reduce(into: Usage()) { usage, shard in
            shard.state.withLock {
                usage.entries += $0.count
                usage.bytes += $0.bytes
                usage.evictions += $0.evictions
                usage.flights += $0.flightCount
            }
        }
    }
}
