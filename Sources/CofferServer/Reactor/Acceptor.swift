import CLinux
import CofferAccess
import CofferCore
import CofferWire
import Glibc
import Logging

/// Takes new connections and hands them to the reactors in turn; belongs to the
/// first one.
final class Acceptor {
    private static let batch = 64

    let listener: Int32
    /// Clients that wait when the drain begins are left to the next listener.
    let keepsBacklog: Bool
    // One thread uses these, with every turn; as in `Connection`.

    /// At the descriptor limit the listener rests instead of spinning.
    @exclusivity(unchecked) private(set) var restingUntil: BootInstant?
    private var restMilliseconds: Int64 = 10
    private var isWatched = true
    private let inboxes: [Inbox]
    private let ledger: UIDLedger
    private let policy: any AccessPolicy
    private var next = 0
    /// When the next stranger may be logged: a crowd of them is not to fill the log.
    private var nextDenial: BootInstant?

    init(listener: Int32, keepsBacklog: Bool, inboxes: [Inbox], ledger: UIDLedger, policy: any AccessPolicy) {
        self.listener = listener
        self.keepsBacklog = keepsBacklog
        self.inboxes = inboxes
        self.ledger = ledger
        self.policy = policy
    }

    /// Accepts what waits, up to a batch.
    func acceptBatch(now: BootInstant, _ reactor: Reactor) {
        for _ in 0..<Self.batch {
            let fd = coffer_accept(listener)
            guard fd >= 0 else {
                if errno == EINTR || errno == ECONNABORTED { continue }
                // Nobody waits: whatever it rested for is over, or the loop would ask again at once.
                if errno == EAGAIN { wake() } else { rest(now) }
                return
            }
            wake()
            take(fd, reactor)
        }
    }

    private func wake() {
        restMilliseconds = 10
        restingUntil = nil
    }

    private func rest(_ now: BootInstant) {
        restingUntil = now + .milliseconds(restMilliseconds)
        restMilliseconds = min(1_000, restMilliseconds * 2)
    }

    private func take(_ fd: Int32, _ reactor: Reactor) {
        var credentials = coffer_peer()
        guard coffer_peer_credentials(fd, &credentials) == 0 else {
            close(fd)
            return
        }
        let peer = Peer(uid: credentials.uid, gid: credentials.gid, pid: credentials.pid)
        // Before it has anything of ours: a place, a buffer, a decoder.
        guard policy.admits(peer) else { return deny(fd, peer, reactor) }
        guard ledger.openConnection(uid: peer.uid) else {
            reactor.log.debug("turned a connection away", metadata: ["uid": "\(peer.uid)"])
            reactor.counters.refusedConnections.increment()
            reactor.turnAway(fd, .tooManyConnections)
            return
        }
        reactor.counters.accepted.increment()
        reactor.log.trace(
            "connected", metadata: ["uid": "\(peer.uid)", "gid": "\(peer.gid)", "pid": "\(peer.pid)"])
        let target = next % inboxes.count
        next += 1
        if target == reactor.index {
            reactor.adopt(fd, peer)
        } else {
            inboxes[target].post(.adopt(fd: fd, peer: peer))
        }
    }

    private func deny(_ fd: Int32, _ peer: Peer, _ reactor: Reactor) {
        reactor.counters.deniedConnections.increment()
        if nextDenial.map({ $0 <= reactor.now }) ?? true {
            nextDenial = reactor.now + .seconds(1)
            reactor.log.warning(
                "denied a connection: its uid has no grant",
                metadata: ["uid": "\(peer.uid)", "gid": "\(peer.gid)", "pid": "\(peer.pid)"])
        }
        reactor.turnAway(fd, .notServed)
    }

    /// While resting the listener is not asked about.
    func watch(epoll: Int32, token: UInt64, now: BootInstant) {
        let wanted = restingUntil == nil
        guard wanted != isWatched else { return }
        if !wanted {
            _ = coffer_epoll_remove(epoll, listener)
        } else if coffer_epoll_add(epoll, listener, EPOLLIN.rawValue, token) != 0 {
            // The kernel has no memory for it: nobody would be accepted any more.
            rest(now)
            return
        }
        isWatched = wanted
    }
}
