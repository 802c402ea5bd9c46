internal import CofferCore
internal import Synchronization

/// What was written moments ago, so that a node that lags is not believed.
final class RecentWrites: Sendable {
    static let age = Duration.seconds(2)
    private static let maximumCount = 4096

    private struct Write {
        let version: Int64
        let until: BootInstant
    }

    private let writes = Mutex<[ByteText: Write]>([:])

    /// - Parameter version: of the KV engine; a read that shows less is behind.
    func note(_ record: String, version: Int64, now: BootInstant) {
        writes.withLock { writes in
            if writes.count >= Self.maximumCount { writes = writes.filter { now < $0.value.until } }
            if writes.count < Self.maximumCount { writes[ByteText(record)] = Write(version: version, until: now + Self.age) }
        }
    }

    func forget(_ record: String) {
        writes.withLock { _ = $0.removeValue(forKey: ByteText(record)) }
    }

    /// The least version that a read must show, and until when; nil = any.
    func expected(_ record: String, now: BootInstant) -> (version: Int64, until: BootInstant)? {
        let record = ByteText(record)
        return writes.withLock { writes in
            guard let write = writes[record] else { return nil }
            guard now < write.until else {
                writes[record] = nil
                return nil
            }
            return (write.version, write.until)
        }
    }
}
