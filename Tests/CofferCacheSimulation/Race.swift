import CofferCache
import CofferCore
import Synchronization

/// Threads that store and get the same few keys as fast as they can, on real time:
/// what was acknowledged before a Get began, it sees, or something newer.
package final class Race: Sendable {
    private static let keyCount = 8

    private final class Key: Sendable {
        let name: RecordKey
        /// What the vault holds.
        let vault = Atomic<Int>(0)
        /// The newest acknowledged write.
        let floor = Atomic<Int>(0)
        init(_ name: RecordKey) { self.name = name }
    }

    /// What came out.
    package struct Result: Sendable {
        package var pairs = 0
        package var hits = 0
        package var revived = 0

        package init(pairs: Int = 0) { self.pairs = pairs }
    }

    private let cache: Cache
    private let keys: [Key]
    private let clock = SystemClock()
    private let nextWaiter = Atomic<UInt64>(0)

    package init() throws {
        cache = Cache(configuration: CacheConfiguration(), random: SystemRandom())
        keys = try (0..<Self.keyCount).map { Key(try RecordKey(user: "u", connection: "c\($0)")) }
    }

    /// So many Stores and as many Gets, by two threads each.
    package func run(pairs: Int) async -> Result {
        await withTaskGroup(of: Result.self) { group in
            for part in 0..<4 {
                group.addTask { part % 2 == 0 ? self.store(pairs / 2) : self.get(pairs / 2) }
            }
            return await group.reduce(into: Result()) {
                $0.pairs += $1.pairs
                $0.hits += $1.hits
                $0.revived += $1.revived
            }
        }
    }

    private func store(_ count: Int) -> Result {
        for round in 0..<count {
            let key = keys[round / 3 % Self.keyCount]
            let ticket = cache.beginWrite(key.name, uid: 1, now: clock.boot)
            let version = key.vault.wrappingAdd(1, ordering: .sequentiallyConsistent).newValue
            cache.endWrite(ticket, .acknowledged(value(version)), now: clock.boot, wall: 1)
            key.floor.max(version, ordering: .sequentiallyConsistent)
        }
        return Result()
    }

    private func get(_ count: Int) -> Result {
        var result = Result(pairs: count)
        for round in 0..<count {
            let key = keys[round / 5 % Self.keyCount]
            let floor = key.floor.load(ordering: .sequentiallyConsistent)
            let found = key.name.withBytes { user, connection in
                cache.lookup(user: user, connection: connection, now: clock.boot, wall: 1, maximumAge: .max)
            }
            let version: Int
            if case .hit(let hit) = found {
                version = Int(hit.value.nonce)
                result.hits += 1
            } else {
                version = read(key) ?? floor
            }
            if version < floor { result.revived += 1 }
        }
        return result
    }

    /// Nil if another thread's flight will answer.
    private func read(_ key: Key) -> Int? {
        let waiter = CacheWaiter.task(nextWaiter.wrappingAdd(1, ordering: .relaxed).newValue)
        switch cache.join(key.name, waiter: waiter, uid: 1, now: clock.boot, wall: 1, maximumAge: .max) {
        case .hit(let hit): return Int(hit.value.nonce)
        case .lead(let ticket, _):
            let version = key.vault.load(ordering: .sequentiallyConsistent)
            // The slower the answer, the more comes between.
            for _ in 0..<version % 64 { _ = clock.boot }
            _ = cache.complete(ticket, .found(value(version)), now: clock.boot, wall: 1)
            return version
        case .absent, .follow, .refused: return nil
        }
    }

    private func value(_ version: Int) -> CachedValue {
        CachedValue(sealed: [0], nonce: UInt64(version), fetchedAt: clock.boot, expiresAt: 0)
    }
}
