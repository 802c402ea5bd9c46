package import CofferCache
package import CofferCore

/// The daemon's own cache, driven as the daemon does it, by one uid. The vault
/// answers at once, so nobody waits for anybody's flight.
package struct CofferPolicy: CachePolicy {
    /// What a value of 256 bytes is, sealed in its answer.
    static let sealedBytes = 307

    private let cache: Cache
    private let keys: [RecordKey]
    private let sealed = [UInt8](repeating: 0, count: sealedBytes)

    /// - Parameters:
    ///   - keys: how many numbers of records there are.
    ///   - random: for hashes and the moments of refreshing.
    package init(_ configuration: CacheConfiguration, keys: UInt32, random: some RandomSource) throws {
        cache = Cache(configuration: configuration, random: random)
        self.keys = try (0..<keys).map(Self.key)
    }

    /// As coffer-load names it.
    private static func key(_ number: UInt32) throws -> RecordKey {
        let digits = String(number, radix: 16)
        return try RecordKey(
            user: "load-" + String(repeating: "0", count: 8 - digits.count) + digits, connection: "main")
    }

    /// What a record of 256 bytes takes in the cache.
    package static let entryBytes = 17 + sealedBytes + CacheConfiguration.overheadBytes

    package mutating func get(_ key: UInt32, now: UInt32, vault: inout TraceVault) -> PolicyAnswer {
        let time = Moment(now)
        let answer = keys[Int(key)].withBytes { user, connection in
            cache.lookup(
                user: user, connection: connection, now: time.boot, wall: time.wall, maximumAge: .max)
        }
        switch answer {
        case .hit(let hit): return give(hit, key, time, &vault)
        case .absent: return .cachedAbsence
        case .miss: return ask(key, time, &vault)
        }
    }

    private func give(_ hit: CacheHit, _ key: UInt32, _ time: Moment, _ vault: inout TraceVault) -> PolicyAnswer {
        if hit.wantsRefresh, let ticket = cache.beginRefresh(keys[Int(key)], uid: 1, now: time.boot) {
            _ = fetchFromVault(ticket, key, time, &vault)
        }
        let version = UInt32(hit.value.nonce)
        return hit.isStale ? .stale(version: version) : .cached(version: version)
    }

    private func ask(_ key: UInt32, _ time: Moment, _ vault: inout TraceVault) -> PolicyAnswer {
        let joined = cache.join(
            keys[Int(key)], waiter: .task(0), uid: 1, now: time.boot, wall: time.wall, maximumAge: .max)
        switch joined {
        case .hit(let hit): return give(hit, key, time, &vault)
        case .absent: return .cachedAbsence
        case .lead(let ticket, _):
            let (answer, delivery) = fetchFromVault(ticket, key, time, &vault)
            return delivery.stale.map { .stale(version: UInt32($0.value.nonce)) } ?? .vault(answer)
        case .follow, .refused: return .vault(.failed)
        }
    }

    private func fetchFromVault(
        _ ticket: FlightTicket, _ key: UInt32, _ time: Moment, _ vault: inout TraceVault
    ) -> (TraceVault.Answer, CacheDelivery) {
        let answer = vault.read(key)
        let outcome: FlightOutcome =
            switch answer {
            case .version(let version): .found(value(version, time))
            case .absent: .absent
            case .failed: .failedTransiently
            }
        return (answer, cache.complete(ticket, outcome, now: time.boot, wall: time.wall))
    }

    package mutating func write(_ key: UInt32, _ write: TraceWrite, now: UInt32, vault: inout TraceVault) {
        let time = Moment(now)
        let ticket = cache.beginWrite(keys[Int(key)], uid: 1, now: time.boot)
        let outcome: WriteOutcome =
            switch write.apply(to: key, &vault) {
            case .version(let version): .acknowledged(value(version, time))
            case .absent: .acknowledged(nil)
            // In an outage the breaker is open, but for the first few calls.
            case .failed: .notWritten
            }
        cache.endWrite(ticket, outcome, now: time.boot, wall: time.wall)
    }

    private func value(_ version: UInt32, _ time: Moment) -> CachedValue {
        CachedValue(sealed: sealed, nonce: UInt64(version), fetchedAt: time.boot, expiresAt: 0)
    }

    /// Some day after boot.
    private struct Moment {
        let boot: BootInstant
        let wall: WallMilliseconds

        init(_ milliseconds: UInt32) {
            boot = BootInstant(nanoseconds: (86_400_000 + UInt64(milliseconds)) * 1_000_000)
            wall = 1_790_000_000_000 + UInt64(milliseconds)
        }
    }
}

/// Random bytes that are always the same: a replay gives the same figures each time.
package struct SeededBytes: RandomSource {
    private let seed: UInt64

    package init(seed: UInt64) { self.seed = seed }

    package func bytes(_ count: Int) -> [UInt8] {
        var random = SplitMix(seed: seed)
        return (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }
}
