package import CofferCore

/// A sealed answer, as the cache keeps it: it neither opens nor reads it.
package struct CachedValue: Sendable {
    package let sealed: [UInt8]
    /// Needed to open it; never the same twice.
    package let nonce: UInt64
    /// When the vault gave it, or took it.
    package let fetchedAt: BootInstant
    /// The record's own expiry, Unix milliseconds; 0 = never.
    package let expiresAt: WallMilliseconds

    package init(sealed: [UInt8], nonce: UInt64, fetchedAt: BootInstant, expiresAt: WallMilliseconds) {
        self.sealed = sealed
        self.nonce = nonce
        self.fetchedAt = fetchedAt
        self.expiresAt = expiresAt
    }
}

/// A cached value under its key, with its place in the eviction queue.
struct CacheEntry {
    let hash: UInt64
    let user: [UInt8]
    let connection: [UInt8]
    var value: CachedValue
    /// Read since the eviction hand last came by.
    var visited = false
    var older: Int32 = -1
    var newer: Int32 = -1

    var cost: Int {
        user.count + connection.count + value.sealed.count + CacheConfiguration.overheadBytes
    }
}
