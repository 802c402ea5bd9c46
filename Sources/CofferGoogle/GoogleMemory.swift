internal import CofferCore
internal import Synchronization

/// What an adapter remembers of versions, so that it has not to ask again.
final class GoogleMemory: Sendable {
    /// Of each kind; at 200 bytes each some 3 MiB. Beyond that it starts from nothing.
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

    /// For how long after a write "latest" may be an older version than the one that was written.
    private let lag: Duration
    private let writes = Mutex<[String: Write]>([:])
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
    func forget(_ secret: String) { writes.withLock { $0[secret] = nil } }

    func times(of version: VersionKey) -> Times? { times.withLock { $0[version] } }

    func note(_ times: Times, of version: VersionKey) {
        self.times.withLock { known in
            if known.count >= Self.maximumCount { known = [:] }
            known[version] = times
        }
    }
}
