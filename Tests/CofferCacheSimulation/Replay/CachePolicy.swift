/// A cache in front of a vault: what replays compare. Times are milliseconds.
package protocol CachePolicy {
    /// Answers a Get, asking the vault if it has to.
    mutating func get(_ key: UInt32, now: UInt32, vault: inout TraceVault) -> PolicyAnswer

    /// A Store or a Delete, which the caches that see it take to the vault.
    mutating func write(_ key: UInt32, _ write: TraceWrite, now: UInt32, vault: inout TraceVault)
}

/// What is written to a record.
package enum TraceWrite: Sendable {
    case store, delete

    /// Lets the vault do it.
    func apply(to key: UInt32, _ vault: inout TraceVault) -> TraceVault.Answer {
        self == .store ? vault.store(key) : vault.delete(key)
    }
}

/// Where the answer to a Get comes from.
package enum PolicyAnswer: Equatable, Sendable {
    /// The vault, or nowhere if it failed.
    case vault(TraceVault.Answer)
    /// A copy that the vault gave or confirmed less than a TTL ago.
    case cached(version: UInt32)
    /// A copy past its TTL, in place of a vault that cannot be asked.
    case stale(version: UInt32)
    /// It is known that there is no such record.
    case cachedAbsence
}
