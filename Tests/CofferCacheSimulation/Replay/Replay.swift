import CofferCache
package import CofferWorkload

/// Plays a trace on caches, in virtual time.
package struct Replay {
    private let trace: Trace
    private let keys: UInt32

    package init(_ trace: Trace) {
        self.trace = trace
        keys = trace.keys
    }

    /// How many records it asks for or stores.
    package var footprint: Int { Set(trace.events.compactMap(\.action.key)).count }

    /// Plays all of it on one cache.
    package func run(_ policy: consuming some CachePolicy) -> ReplayScore {
        var policy = policy
        var vault = TraceVault(records: trace.records, keys: keys)
        var score = ReplayScore()
        for event in trace.events {
            switch event.action {
            case .get(let key):
                score.count(policy.get(key, now: event.time, vault: &vault), current: vault.current(key))
            case .store(let key): policy.write(key, .store, now: event.time, vault: &vault)
            case .delete(let key): policy.write(key, .delete, now: event.time, vault: &vault)
            case .down: vault.isDown = true
            case .up: vault.isDown = false
            }
        }
        score.reads = vault.reads
        score.failedReads = vault.failedReads
        return score
    }

    /// As the daemon is configured without a file, but for its size.
    package func coffer(bytes: Int) throws -> ReplayScore {
        try run(coffer(CacheConfiguration(maximumBytes: bytes)))
    }

    /// What the daemon's cache chooses to keep, without what else it does.
    package func evictionAlone(bytes: Int) throws -> ReplayScore {
        try run(
            coffer(
                CacheConfiguration(
                    maximumBytes: bytes, negativeMilliseconds: 0, staleMilliseconds: 0, maximumRefreshes: 0)))
    }

    private func coffer(_ configuration: CacheConfiguration) throws -> CofferPolicy {
        try CofferPolicy(configuration, keys: keys, random: SeededBytes(seed: 1))
    }

    package func lru(entries: Int) -> ReplayScore { run(LRUPolicy(entries: entries)) }

    package func agent(entries: Int) -> ReplayScore { run(AgentPolicy(entries: entries)) }
}
