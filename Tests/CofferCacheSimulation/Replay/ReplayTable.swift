package import CofferWorkload
import CofferCache
import FoundationEssentials

/// The figures of caches of several sizes on one trace, for people and for programs.
package struct ReplayTable: Codable, Equatable, Sendable {
    package struct Row: Codable, Equatable, Sendable {
        /// What it is called by, and its size in entries.
        package let size: String
        package let entries: Int
        package let cache: String
        package let score: ReplayScore
    }

    /// Records that the trace asks for or stores.
    package let footprint: Int
    package let rows: [Row]

    /// Plays the trace on caches of 1 % and 10 % of its records, of 1,000 records, and
    /// of the daemon's own default.
    package init(_ trace: Trace) throws {
        let replay = Replay(trace)
        let footprint = replay.footprint
        self.footprint = footprint
        let whole = CacheConfiguration().maximumBytes
        let sizes = [
            ("1 %", footprint / 100), ("1,000 entries", 1_000), ("10 %", footprint / 10),
            ("64 MiB", whole / CofferPolicy.entryBytes),
        ]
        rows = try sizes.flatMap { size, entries in
            let bytes = entries * CofferPolicy.entryBytes
            return [
                ("Coffer", try replay.coffer(bytes: bytes)),
                ("Coffer's eviction alone", try replay.evictionAlone(bytes: bytes)),
                ("LRU", replay.lru(entries: entries)),
                ("AWS agent", replay.agent(entries: entries)),
            ].map { Row(size: size, entries: entries, cache: $0, score: $1) }
        }
    }

    /// One line.
    package func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    package var markdown: String {
        let head = ["size", "cache", "Gets", "hit ratio", "vault reads", "in outages", "stale", "failed", "outdated"]
        let cells = rows.map { row in
            let score = row.score
            let counts = [score.reads, score.failedReads, score.stale, score.failed, score.outdated]
            return [row.size, row.cache, grouped(score.gets), percent(score.hitRatio)] + counts.map(grouped)
        }
        return ([head, head.map { _ in "---" }] + cells)
            .map { "| " + $0.joined(separator: " | ") + " |" }.joined(separator: "\n")
    }
}

/// Digits in threes.
private func grouped(_ number: Int) -> String {
    let digits = String(number)
    return digits.enumerated().reduce(into: "") { text, digit in
        if digit.offset > 0 && (digits.count - digit.offset) % 3 == 0 { text += "," }
        text.append(digit.element)
    }
}

private func percent(_ share: Double) -> String {
    let tenths = Int((share * 1_000).rounded())
    return "\(tenths / 10).\(tenths % 10) %"
}
