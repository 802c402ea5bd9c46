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
    /// At the descriptor limit the listener rests instead of spinning.
    private(set) var restingUntil: BootInstant?
    private var restMilliseconds: Int64 = 10
    private var isWatched = true
    private let inboxes: [Inbox]
    private let ledger: UIDLedger
    private var next = 0

    init(listener: Int32, inboxes: [Inbox], ledger: UIDLedger) {
        self.listener = listener
        self.inboxes = inboxes
        self.ledger = ledger
    }

    /// Accepts what waits, up to a batch.
    func acceptBatch(now: BootInstant, _ reactor: Reactor) {
        for _ in 0..<Self.batch {
            let fd = coffer_accept(listener)
            guard fd >= 0 else {
                if errno == EINTR || errno == ECONNABORTED { continue }
                if errno != EAGAIN { rest(now) }
                return
            }
            restMilliseconds = 10
            restingUntil = nil
            take(fd, reactor)
        }
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
        guard ledger.openConnection(uid: peer.uid) else {
            reactor.log.debug("turned a connection away", metadata: ["uid": "\(peer.uid)"])
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

    /// While resting the listener is not asked about.
    func watch(epoll: Int32, token: UInt64) {
        let wanted = restingUntil == nil
        guard wanted != isWatched else { return }
        isWatched = wanted
        if wanted {
            _ = coffer_epoll_add(epoll, listener, EPOLLIN.rawValue, token)
        } else {
            _ = coffer_epoll_remove(epoll, listener)
        }
    }
}
