package import CofferCache
package import CofferCore

/// Far more keys than fit: how much memory they take, and what a scan leaves of
/// what is in use.
package struct Flood {
    /// What a value of 256 bytes is, sealed in its answer.
    private static let sealedBytes = 307
    /// How often each hot key is read before the scan.
    private static let reads = 3

    private let cache: Cache
    private let sealed = [UInt8](repeating: 0, count: sealedBytes)
    private let now = BootInstant(nanoseconds: 86_400_000_000_000)
    private let wall: WallMilliseconds = 1_790_000_000_000

    package init(_ configuration: CacheConfiguration, random: some RandomSource) {
        cache = Cache(configuration: configuration, random: random)
    }

    package var usage: Cache.Usage { cache.usage }

    /// Stores a record under each of these numbers.
    package func store(_ numbers: Range<Int>) throws {
        for number in numbers {
            let ticket = cache.beginWrite(try key("stored", number), uid: 1, now: now)
            cache.endWrite(ticket, .acknowledged(value), now: now, wall: wall)
        }
    }

    /// Reads `hot` keys several times, then `scanned` others once each, and says
    /// how many of the hot ones are still there.
    package func scan(hot: Int, scanned: Int) throws -> Int {
        for _ in 0..<Self.reads {
            for number in 0..<hot { try read(try key("hot", number)) }
        }
        for number in 0..<scanned { try read(try key("scanned", number)) }
        return try (0..<hot).count { isCached(try key("hot", $0)) }
    }

    private func read(_ key: RecordKey) throws {
        if isCached(key) { return }
        let joined = cache.join(key, waiter: .task(0), uid: 1, now: now, wall: wall, maximumAge: .max)
        guard case .lead(let ticket, _) = joined else { return }
        _ = cache.complete(ticket, .found(value), now: now, wall: wall)
    }

    private func isCached(_ key: RecordKey) -> Bool {
        let answer = key.withBytes { user, connection in
            cache.lookup(user: user, connection: connection, now: now, wall: wall, maximumAge: .max)
        }
        if case .hit = answer { return true }
        return false
    }

    private func key(_ kind: String, _ number: Int) throws -> RecordKey {
        try RecordKey(user: kind, connection: String(number))
    }

    private var value: CachedValue { CachedValue(sealed: sealed, nonce: 1, fetchedAt: now, expiresAt: 0) }
}
