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
    private let policy: CurrentPolicy
    private var next = 0

    init(listener: Int32, keepsBacklog: Bool, inboxes: [Inbox], ledger: UIDLedger, policy: CurrentPolicy) {
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
        var identity = Identity(peer)
        // Before it has anything of ours: a place, a buffer, a decoder.
        guard mayBeServed(&identity, fd, reactor.now) else {
            reactor.noteDenial(of: peer)
            return reactor.turnAway(fd, .notServed)
        }
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
            reactor.adopt(fd, peer, identity)
        } else {
            inboxes[target].post(.adopt(fd: fd, peer: peer, identity))
        }
    }

    /// Whether the caller may do anything, as far as that is known without a look-up that could take long.
    private func mayBeServed(_ identity: inout Identity, _ fd: Int32, _ now: BootInstant) -> Bool {
        let policy = policy.compiled
        if policy.evidence.contains(.groups) { identity.add(groups: PeerSocket.groups(of: fd)) }
        return !identity.missing(for: policy).isEmpty || policy.grants(for: identity.caller, now: now) != nil
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
