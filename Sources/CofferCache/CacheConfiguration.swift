/// The limits of a cache. Times are milliseconds.
package struct CacheConfiguration: Equatable, Sendable {
    /// Bytes of keys, sealed values and overhead that all shards together may hold.
    package var maximumBytes: Int
    /// For how long an answer of the vault is repeated without asking again; 0 =
    /// no caching.
    package var ttlMilliseconds: UInt64
    /// For how long "there is no such record" is; never more than a tenth of the
    /// TTL, 0 = not at all.
    package var negativeMilliseconds: UInt64
    /// For how long past its TTL an answer may stand in for a vault that cannot be
    /// asked; 0 = not at all.
    package var staleMilliseconds: UInt64
    /// Entries refreshed in the background at once, before their TTL is over; 0 =
    /// none.
    package var maximumRefreshes: Int
    /// Waiters of one flight; one more is refused.
    package var maximumWaiters: Int
    /// Flights at once in a shard, for many may be of one key; limits on calls bound their sum.
    package var maximumFlights: Int
    /// The same of one uid.
    package var maximumFlightsPerUID: Int

    package init(
        maximumBytes: Int = 64 << 20, ttlMilliseconds: UInt64 = 300_000,
        negativeMilliseconds: UInt64 = 5_000, staleMilliseconds: UInt64 = 3_600_000,
        maximumRefreshes: Int = 4, maximumWaiters: Int = 4_096, maximumFlights: Int = 4_096,
        maximumFlightsPerUID: Int = 2_048
    ) {
        self.maximumBytes = maximumBytes
        self.ttlMilliseconds = ttlMilliseconds
        self.negativeMilliseconds = negativeMilliseconds
        self.staleMilliseconds = staleMilliseconds
        self.maximumRefreshes = maximumRefreshes
        self.maximumWaiters = maximumWaiters
        self.maximumFlights = maximumFlights
        self.maximumFlightsPerUID = maximumFlightsPerUID
    }

    /// What an entry costs beyond its key and sealed value.
    package static let overheadBytes = 160
    /// An entry takes at most this part of the cache.
    package static let maximumEntryDivisor = 16
    /// A uid that holds more than this part makes room at its own expense.
    package static let sharePart = 4
    /// What is known to be absent takes at most this part.
    package static let absentPart = 10
    /// After a fetch that failed, what is stale is given at once for so long.
    package static let recheckMilliseconds: UInt64 = 30_000
    /// The same where the vault was not asked: soon after its return all is fresh.
    package static let turnedAwayMilliseconds: UInt64 = 5_000
    /// A flight that takes longer lets its waiters have what is stale.
    package static let patience = Duration.milliseconds(1_500)
    /// A refresh for which there was no room is tried again after so long.
    static let postponement: UInt64 = 1_000

    var lifetimes: Lifetimes {
        Lifetimes(
            fresh: ttlMilliseconds, usable: ttlMilliseconds + staleMilliseconds,
            absent: min(negativeMilliseconds, ttlMilliseconds / 10))
    }
}

/// Up to which age, in milliseconds, an entry is what.
struct Lifetimes {
    /// A value may be given.
    let fresh: UInt64
    /// A value may be given if the vault cannot be asked.
    let usable: UInt64
    /// A record is known not to be there.
    let absent: UInt64
}
