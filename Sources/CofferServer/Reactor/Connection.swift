import CofferAccess
import CofferCore
import CofferWire

/// One client's connection; belongs to its reactor's thread. While it is idle
/// it holds no buffer.
final class Connection {
    let socket: PeerSocket
    /// Slot and generation: what epoll and the inbox name it by.
    let token: UInt64
    let peer: Peer

    // One thread uses these; run-time exclusivity checks would find nothing.

    /// The start of a frame whose rest has not come, or frames not yet taken.
    @exclusivity(unchecked) var input: ByteBuffer?
    /// Replies that the kernel has not taken.
    @exclusivity(unchecked) var output: ByteBuffer?
    /// Bytes of an oversized frame still to throw away.
    @exclusivity(unchecked) var skip = 0
    /// The serials of calls that wait for a vault, by their ids.
    @exclusivity(unchecked) var calls: [UInt64: UInt64] = [:]

    /// Tasks that wait until they may make the next piece of an answer.
    @exclusivity(unchecked) var streams: [StreamWaiter] = []
    /// Turns at that which are given out, and those of them in which a vault is asked.
    @exclusivity(unchecked) var turns = 0
    @exclusivity(unchecked) var vaultTurns = 0
    /// Is on the reactor's list of those that can give a turn out.
    @exclusivity(unchecked) var isReady = false
    /// Has used up its part of a turn, and goes on when it is its turn again; until then nothing
    /// is read from it.
    @exclusivity(unchecked) var isBehind = false
    /// Is on the reactor's list of those that go on.
    @exclusivity(unchecked) var isQueued = false
    /// Bytes that the budget counts for it.
    @exclusivity(unchecked) var charged = 0

    /// What is known of its caller, and what that may do: by the policy in force or an older one.
    @exclusivity(unchecked) var identity: Identity
    @exclusivity(unchecked) var grants = CallerGrants.none
    /// What is being found out of its caller; until then nothing is read from it, and its frames wait.
    @exclusivity(unchecked) var question: (number: UInt64, question: CallerQuestion)?
    /// It was found that the caller may do something.
    @exclusivity(unchecked) var isAdmitted = false
    /// Whoever identifies its caller may have the socket, too.
    @exclusivity(unchecked) var sharesSocket = false

    /// The events asked of epoll.
    @exclusivity(unchecked) var interest: UInt32 = 0
    /// The peer sends no more.
    @exclusivity(unchecked) var readClosed = false
    /// Close as soon as the replies are out.
    @exclusivity(unchecked) var closing = false
    /// Is on the reactor's list of connections to flush.
    @exclusivity(unchecked) var touched = false

    @exclusivity(unchecked) var lastActivity: BootInstant
    /// When it was last told to go away for being idle: what crosses that on its way is still answered,
    /// and makes it void.
    @exclusivity(unchecked) var retiredSince: BootInstant?
    /// When the first byte of the frame in `input` came.
    @exclusivity(unchecked) var frameSince: BootInstant?
    /// Since when the kernel takes no reply bytes.
    @exclusivity(unchecked) var stalledSince: BootInstant?

    var fd: Int32 { socket.fd }

    /// - Parameter fd: whose owner this becomes.
    init(fd: Int32, token: UInt64, peer: Peer, identity: Identity, now: BootInstant) {
        socket = PeerSocket(fd)
        self.identity = identity
        self.token = token
        self.peer = peer
        lastActivity = now
    }
}
