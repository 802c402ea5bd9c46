/// What the calls of a trace did, and what the daemon made of them.
package struct TraceReport: LoadReport, Codable, Sendable {
    /// What the daemon's Stats say after the trace, less what they said before it.
    struct Cache: Codable, Equatable, Sendable {
        /// Gets that it answered itself: NOT_FOUND and stale values count.
        var hits: UInt64
        var misses: UInt64
        var refreshes: UInt64
        var stale: UInt64
        var evictions: UInt64
        /// Records read from the vault, in the background too.
        var vaultReads: UInt64
        /// What is in it at the end.
        var entries: UInt64
        var bytes: UInt64
    }

    var connections: Int
    var depth: Int
    var valueBytes: Int
    /// Times as fast as the trace says; nil = as fast as answers came.
    var speed: Double?
    var seconds: Double
    /// Answers per second.
    var ratePerSecond: Double
    var gets: Int
    var stores: Int
    var deletes: Int
    /// Gets of records that the trace had deleted, or not stored yet: NOT_FOUND is right.
    var absent: Int
    /// Times that the vault is down in the trace, and was not here.
    var skippedOutages: Int
    var hitRatio: Double
    var cache: Cache
    var get: Report.Latency?
    var store: Report.Latency?
    var delete: Report.Latency?
    var statuses: [String: Int]
    var wrongAnswers: Int
    package var errors: Int
    /// What the first of them was.
    var firstFault: String?

    package var text: String {
        var lines = [
            "trace: \(connections) x \(depth), \(valueBytes)-byte values, \(gets) Gets, \(stores) Stores, "
                + "\(deletes) Deletes, " + (speed.map { "\(decimal($0, places: 2)) times as fast" } ?? "at full speed"),
            "rate     \(decimal(ratePerSecond, places: 0)) /s over \(decimal(seconds, places: 2)) s",
        ]
        for (name, latency) in [("Get      ", get), ("Store    ", store), ("Delete   ", delete)] {
            if let latency { lines.append(name + latency.text) }
        }
        lines += [
            "hits     \(decimal(hitRatio * 100, places: 1)) % of Gets, \(cache.stale) stale",
            "vault    \(cache.vaultReads) reads, \(cache.refreshes) of them to refresh",
            "cache    \(cache.entries) entries of \(cache.bytes) bytes in all, \(cache.evictions) evicted",
            "skipped  \(skippedOutages) outages of the vault",
            "status   \(Report.counts(statuses)), \(absent) NOT_FOUND expected",
            "errors   \(errors)" + (wrongAnswers > 0 ? ", \(wrongAnswers) of them wrong answers" : ""),
        ]
        if let firstFault { lines.append("first    \(firstFault)") }
        return lines.joined(separator: "\n")
    }
}

extension TraceReport.Cache {
    init(before: [String: UInt64], after: [String: UInt64]) {
        func growth(_ name: String) -> UInt64 { (after[name] ?? 0) &- (before[name] ?? 0) }
        self.init(
            hits: growth("cache_hits_total"), misses: growth("cache_misses_total"),
            refreshes: growth("cache_refreshes_total"), stale: growth("cache_stale_total"),
            evictions: growth("cache_evictions_total"), vaultReads: growth("vault_reads_total"),
            entries: after["cache_entries"] ?? 0, bytes: after["cache_bytes"] ?? 0)
    }

    /// The share of Gets that it answered.
    var hitRatio: Double { hits + misses > 0 ? Double(hits) / Double(hits + misses) : 0 }
}
