internal import CofferCore
internal import Synchronization

/// The time that requests are signed with: this host's, and what the server's
/// answers have shown it to be off by.
final class AWSClock: Sendable {
    /// The service takes about five minutes; less than this is not the cause.
    static let tolerance: Int64 = 60_000

    let host: any Clock
    /// Milliseconds to add.
    private let offset = Mutex<Int64>(0)

    init(_ host: any Clock) { self.host = host }

    var boot: BootInstant { host.boot }

    var now: WallMilliseconds {
        let offset = offset.withLock { $0 }
        return WallMilliseconds(max(0, Int64(clamping: host.wall).addingReportingOverflow(offset).partialValue))
    }

    /// Takes over the server's time; false if it is ours already.
    func correct(by date: WallMilliseconds?) -> Bool {
        guard let date else { return false }
        let difference = Int64(clamping: date) - Int64(clamping: host.wall)
        return offset.withLock { offset in
            guard abs(difference - offset) >= Self.tolerance else { return false }
            offset = difference
            return true
        }
    }
}
