import CofferCore

/// A vault of a few keys, as the script wants it: it answers, fails, refuses, and
/// its clock may be wrong. Writes of other hosts come to it too.
struct ScriptedVault {
    /// What the vault took, in the order in which it took it: `versions[n]` is
    /// version n.
    struct Version {
        let key: Int
        /// False = a deletion.
        let isPresent: Bool
        let expiresAt: WallMilliseconds
        let appliedStep: Int
    }

    enum Mood: CaseIterable { case well, failing, refusing }

    enum Answer: Equatable {
        case version(Int)
        case absent, refused, failed
    }

    private(set) var versions: [Version]
    private var current: [Int]
    var mood = Mood.well
    /// What it adds to the time, in milliseconds.
    var lie: Int64 = 0

    init(keys: Int) {
        versions = (0..<keys).map { Version(key: $0, isPresent: false, expiresAt: 0, appliedStep: -1) }
        current = Array(0..<keys)
    }

    /// - Returns: the number of the new version.
    mutating func write(_ key: Int, isPresent: Bool, expiresAt: WallMilliseconds, step: Int) -> Int {
        versions.append(Version(key: key, isPresent: isPresent, expiresAt: expiresAt, appliedStep: step))
        current[key] = versions.count - 1
        return current[key]
    }

    func read(_ key: Int, wall: WallMilliseconds) -> Answer {
        switch mood {
        case .failing: return .failed
        case .refusing: return .refused
        case .well:
            let version = versions[current[key]]
            let time = WallMilliseconds(clamping: Int64(wall) + lie)
            guard version.isPresent, version.expiresAt == 0 || time < version.expiresAt else { return .absent }
            return .version(current[key])
        }
    }
}
