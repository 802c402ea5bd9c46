/// A plain cache: least recently used goes first, one TTL, and writes go through it.
package struct LRUPolicy: CachePolicy {
    private var entries: RankedEntries
    private let ttlMilliseconds: UInt32

    package init(entries: Int, ttlMilliseconds: UInt32 = 300_000) {
        self.entries = RankedEntries(maximumCount: entries)
        self.ttlMilliseconds = ttlMilliseconds
    }

    package mutating func get(_ key: UInt32, now: UInt32, vault: inout TraceVault) -> PolicyAnswer {
        if let entry = entries[key], now - entry.confirmedAt < ttlMilliseconds {
            entries.touch(key)
            return .cached(version: entry.version)
        }
        let answer = vault.read(key)
        keep(key, answer, now)
        return .vault(answer)
    }

    package mutating func write(_ key: UInt32, _ write: TraceWrite, now: UInt32, vault: inout TraceVault) {
        keep(key, write.apply(to: key, &vault), now)
    }

    private mutating func keep(_ key: UInt32, _ answer: TraceVault.Answer, _ now: UInt32) {
        switch answer {
        case .version(let version):
            entries.insert(.init(key: key, version: version, confirmedAt: now, keptSince: now))
        case .absent: entries.remove(key)
        case .failed: break
        }
    }
}
