package import CofferCore

/// A sealed answer, as the cache keeps it: it neither opens nor reads it.
package struct CachedValue: Sendable {
    /// The sealed bytes are those from `offset` on: in the cache, the key stands
    /// before them, so that an entry is one piece of memory.
    package let bytes: [UInt8]
    package let offset: Int
    /// Needed to open it; never the same twice.
    package let nonce: UInt64
    /// When the vault was asked for it, or given it.
    package let fetchedAt: BootInstant
    /// The record's own expiry, Unix milliseconds; 0 = never.
    package let expiresAt: WallMilliseconds

    package init(sealed: [UInt8], nonce: UInt64, fetchedAt: BootInstant, expiresAt: WallMilliseconds) {
        self.init(bytes: sealed, offset: 0, nonce: nonce, fetchedAt: fetchedAt, expiresAt: expiresAt)
    }

    @inline(__always)
    init(bytes: [UInt8], offset: Int, nonce: UInt64, fetchedAt: BootInstant, expiresAt: WallMilliseconds) {
        self.bytes = bytes
        self.offset = offset
        self.nonce = nonce
        self.fetchedAt = fetchedAt
        self.expiresAt = expiresAt
    }
}

/// A value that may be given.
package struct CacheHit: Sendable {
    package let value: CachedValue
    package let ageMilliseconds: UInt64
    /// It is past its TTL, and stands in for a vault that cannot be asked.
    package let isStale: Bool
    /// Whoever is told so is to call `beginRefresh`. Nobody else is told.
    package let wantsRefresh: Bool
}

/// What the cache knows of a key.
package enum CacheAnswer: Sendable {
    /// Nothing that may be used: the vault is to be asked.
    case miss
    /// There is no such record.
    case absent
    case hit(CacheHit)
}
