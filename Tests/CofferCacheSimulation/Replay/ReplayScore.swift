/// What a cache was worth in a replay.
package struct ReplayScore: Equatable, Codable, Sendable {
    package var gets = 0
    /// Answered by a copy inside its TTL, or by knowing that there is no such record.
    package var hits = 0
    /// Calls of the vault that read, those in the background and those in vain too.
    package var reads = 0
    /// Those of them that found the vault down.
    package var failedReads = 0
    /// Answered by a copy past its TTL.
    package var stale = 0
    /// Answered by neither a value nor the vault's word that there is none.
    package var failed = 0
    /// Answered by a copy while the vault had another version, or none.
    package var outdated = 0

    package init() {}

    /// The share of hits among Gets.
    package var hitRatio: Double { gets > 0 ? Double(hits) / Double(gets) : 0 }

    mutating func count(_ answer: PolicyAnswer, current: TraceVault.Answer) {
        gets += 1
        switch answer {
        case .cached(let version):
            hits += 1
            if current != .version(version) { outdated += 1 }
        case .stale(let version):
            stale += 1
            if current != .version(version) { outdated += 1 }
        case .cachedAbsence:
            hits += 1
            if current != .absent { outdated += 1 }
        case .vault(.failed): failed += 1
        case .vault: break
        }
    }
}
