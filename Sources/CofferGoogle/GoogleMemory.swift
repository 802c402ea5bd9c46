internal import CofferCore
internal import Synchronization

/// What an adapter remembers of versions, so that it has not to ask again.
final class GoogleMemory: Sendable {
    /// Of each kind; with two versions of each secret some 6 MiB in all. Beyond that it starts from nothing.
    static let maximumCount = 8_192

    /// A version that cannot be another one: of a secret that was made again the same number has another payload.
    struct VersionKey: Hashable {
        let secret: String
        let number: UInt64
        let checksum: UInt32
    }

    struct Times: Sendable {
        /// By the service.
        let created: WallMilliseconds
        /// By the clock of who wrote it, as far as that is this daemon.
        let written: WallMilliseconds
    }

    private struct Write {
        let number: UInt64
        let until: BootInstant
    }

    private struct Removal {
        let version: String
        let until: BootInstant
    }

    /// Versions of a secret that are not destroyed.
    private struct Versions {
        /// The oldest first.
        var live: [GoogleVersion]
        /// Also of those that are destroyed.
        var newest: UInt64
    }

    /// Of one secret. Where there are more they are listed again.
    private static let maximumVersions = 64

    /// For how long after a write "latest" may be an older version than the one that was written.
    private let lag: Duration
    private let writes = Mutex<[String: Write]>([:])
    private let removals = Mutex<[String: Removal]>([:])
    private let versions = Mutex<[String: Versions]>([:])
    private let times = Mutex<[VersionKey: Times]>([:])

    init(lag: Duration) { self.lag = lag }

    /// This version was written now.
    func noteWrite(_ secret: String, number: UInt64, now: BootInstant) {
        writes.withLock { writes in
            if let known = writes[secret], known.number > number, now < known.until { return }
            if writes.count >= Self.maximumCount { writes = writes.filter { now < $0.value.until } }
            if writes.count >= Self.maximumCount { writes = [:] }
            writes[secret] = Write(number: number, until: now + lag)
        }
    }

    /// The version that was written of late; nil = none.
    func lastWrite(_ secret: String, now: BootInstant) -> UInt64? {
        writes.withLock { writes in
            guard let write = writes[secret] else { return nil }
            if now < write.until { return write.number }
            writes[secret] = nil
            return nil
        }
    }

    /// The secret was deleted.
    func forget(_ secret: String) {
        writes.withLock { $0[secret] = nil }
        forgetVersions(of: secret)
        // The same text may be stored again, as a version of the same number and another time.
        times.withLock { times in times = times.filter { $0.key.secret != secret } }
    }

    /// The secret was deleted, when this version of the record was the newest.
    func noteRemoval(of secret: String, version: String, now: BootInstant) {
        removals.withLock { removals in
            if removals.count >= Self.maximumCount { removals = removals.filter { now < $0.value.until } }
            if removals.count >= Self.maximumCount { removals = [:] }
            removals[secret] = Removal(version: version, until: now + lag)
        }
    }

    /// What is shown was removed a moment ago.
    func isRemoved(_ version: String, of secret: String, now: BootInstant) -> Bool {
        removals.withLock { removals in
            guard let removal = removals[secret] else { return false }
            if now < removal.until { return removal.version.hasSameBytes(as: version) }
            removals[secret] = nil
            return false
        }
    }

    // MARK: Versions that are not destroyed

    /// Every one, the oldest first; nil = not known.
    func versions(of secret: String) -> [GoogleVersion]? { versions.withLock { $0[secret]?.live } }

    /// This version was just written. If it does not follow the newest that was known, others wrote too, and nothing is
    /// known any more.
    func noteVersion(_ version: GoogleVersion, of secret: String) {
        versions.withLock { all in
            // A new secret.
            guard version.number > 1 else { return Self.set(secret, [version], &all) }
            guard let known = all[secret], !known.live.contains(version) else { return }
            all[secret] = nil
            if version.number == known.newest &+ 1 { Self.set(secret, known.live + [version], &all) }
        }
    }

    func keepVersions(_ live: [GoogleVersion], of secret: String) {
        versions.withLock { Self.set(secret, live, &$0) }
    }

    func forgetVersion(_ number: UInt64, of secret: String) {
        versions.withLock { $0[secret]?.live.removeAll { $0.number == number } }
    }

    func forgetVersions(of secret: String) { versions.withLock { $0[secret] = nil } }

    private static func set(_ secret: String, _ live: [GoogleVersion], _ all: inout [String: Versions]) {
        if all.count >= maximumCount { all = [:] }
        all[secret] = live.count > maximumVersions ? nil : live.last.map { Versions(live: live, newest: $0.number) }
    }

    func times(of version: VersionKey) -> Times? { times.withLock { $0[version] } }

    func note(_ times: Times, of version: VersionKey) {
        self.times.withLock { known in
            if known.count >= Self.maximumCount { known = [:] }
            known[version] = times
        }
    }
}
