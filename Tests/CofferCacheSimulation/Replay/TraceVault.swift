/// The vault of a replay: it has versions of records, answers at once, and counts.
package struct TraceVault: Sendable {
    package enum Answer: Equatable, Sendable {
        case version(UInt32)
        case absent, failed
    }

    /// The version of each record that there is, counted from 1; 0 = there is none.
    private var versions: [UInt32]
    private var lastVersion: UInt32 = 1
    package var isDown = false
    package private(set) var reads = 0
    /// Those of them that found it down.
    package private(set) var failedReads = 0

    /// - Parameters:
    ///   - records: those below this are there.
    ///   - keys: how many numbers of records there are.
    package init(records: UInt32, keys: UInt32) {
        versions = (0..<keys).map { $0 < records ? 1 : 0 }
    }

    /// What there is; for those who judge answers.
    package func current(_ key: UInt32) -> Answer {
        versions[Int(key)] > 0 ? .version(versions[Int(key)]) : .absent
    }

    /// Asks it, be it for a value or for what is known about one.
    package mutating func read(_ key: UInt32) -> Answer {
        reads += 1
        guard !isDown else {
            failedReads += 1
            return .failed
        }
        return current(key)
    }

    /// - Returns: the version that there is now, or `failed`.
    package mutating func store(_ key: UInt32) -> Answer {
        guard !isDown else { return .failed }
        lastVersion += 1
        versions[Int(key)] = lastVersion
        return .version(lastVersion)
    }

    /// - Returns: `absent`, or `failed`.
    package mutating func delete(_ key: UInt32) -> Answer {
        guard !isDown else { return .failed }
        versions[Int(key)] = 0
        return .absent
    }
}
