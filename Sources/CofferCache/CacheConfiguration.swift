/// The limits of a cache.
package struct CacheConfiguration: Equatable, Sendable {
    /// Bytes of keys, sealed values and overhead that all shards together may hold.
    package var maximumBytes: Int
    /// Milliseconds for which an answer of the vault is repeated without asking
    /// again; 0 = no caching.
    package var ttlMilliseconds: UInt64
    /// Waiters of one flight; one more is refused.
    package var maximumWaiters: Int
    /// Flights at once, over all shards.
    package var maximumFlights: Int

    package init(
        maximumBytes: Int = 64 << 20, ttlMilliseconds: UInt64 = 300_000,
        maximumWaiters: Int = 4_096, maximumFlights: Int = 1_024
    ) {
        self.maximumBytes = maximumBytes
        self.ttlMilliseconds = ttlMilliseconds
        self.maximumWaiters = maximumWaiters
        self.maximumFlights = maximumFlights
    }

    /// What an entry costs beyond its key and sealed value.
    package static let overheadBytes = 160
}
