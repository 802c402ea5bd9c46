import CofferAccess
import CofferCore
import Logging
import Synchronization

/// Connections that are denied, for the log: a crowd of them is not to fill it.
final class DenialLog: Sendable {
    /// When the next may be logged, in nanoseconds of the clock that counts from boot.
    private let next = Atomic<UInt64>(0)

    /// Logs one, unless another was logged less than a second ago.
    func note(_ peer: Peer, _ log: Logger, now: BootInstant) {
        let due = next.load(ordering: .relaxed)
        guard due <= now.nanoseconds,
            next.compareExchange(expected: due, desired: (now + .seconds(1)).nanoseconds, ordering: .relaxed).exchanged
        else { return }
        log.warning(
            "denied a connection: its uid has no grant",
            metadata: ["uid": "\(peer.uid)", "gid": "\(peer.gid)", "pid": "\(peer.pid)"])
    }
}
