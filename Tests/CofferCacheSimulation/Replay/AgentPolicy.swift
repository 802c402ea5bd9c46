/// The AWS Secrets Manager agent, by its source: whatever was put in first goes first,
/// read or not. Past its TTL an entry is confirmed by one call, which says whether
/// there is a newer version, and put in again, as the last to go; so it is too if
/// that call fails, for as long as it goes on failing. A newer version takes a second
/// call. Nothing is known of absence, and writes pass it by.
package struct AgentPolicy: CachePolicy {
    /// It takes no more.
    package static let maximumEntries = 1_000

    private var entries: RankedEntries
    private let ttlMilliseconds: UInt32

    package init(entries: Int = maximumEntries, ttlMilliseconds: UInt32 = 300_000) {
        self.entries = RankedEntries(maximumCount: min(entries, Self.maximumEntries))
        self.ttlMilliseconds = ttlMilliseconds
    }

    package mutating func get(_ key: UInt32, now: UInt32, vault: inout TraceVault) -> PolicyAnswer {
        guard let entry = entries[key] else { return ask(key, now, &vault) }
        if now - entry.keptSince <= ttlMilliseconds { return answer(entry, now) }
        switch vault.read(key) {
        case .version(entry.version):
            keep(key, entry.version, confirmedAt: now, now)
            return .vault(.version(entry.version))
        case .version: return ask(key, now, &vault)
        case .absent: return .vault(.absent)
        case .failed:
            keep(key, entry.version, confirmedAt: entry.confirmedAt, now)
            return answer(entry, now)
        }
    }

    package mutating func write(_ key: UInt32, _ write: TraceWrite, now: UInt32, vault: inout TraceVault) {
        _ = write.apply(to: key, &vault)
    }

    private func answer(_ entry: RankedEntries.Entry, _ now: UInt32) -> PolicyAnswer {
        now - entry.confirmedAt <= ttlMilliseconds
            ? .cached(version: entry.version) : .stale(version: entry.version)
    }

    private mutating func ask(_ key: UInt32, _ now: UInt32, _ vault: inout TraceVault) -> PolicyAnswer {
        let answer = vault.read(key)
        if case .version(let version) = answer { keep(key, version, confirmedAt: now, now) }
        return .vault(answer)
    }

    private mutating func keep(_ key: UInt32, _ version: UInt32, confirmedAt: UInt32, _ now: UInt32) {
        entries.insert(.init(key: key, version: version, confirmedAt: confirmedAt, keptSince: now))
    }
}
