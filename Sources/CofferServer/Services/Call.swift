import CofferAccess
import CofferCore
import CofferWire

/// One request on its way through the reactor's thread.
struct Call {
    let reactor: Reactor
    let connection: Connection
    let header: FrameHeader

    var peer: Peer { connection.peer }

    func respond(_ message: Secret) {
        reactor.respond(connection, header.callID, message)
    }
}

/// Where the answer of a call goes that waits for a vault; for any thread.
package struct ReturnAddress: Sendable {
    let inbox: Inbox
    let reactor: Int
    /// The call's, which its reactor gives to no other.
    let serial: UInt64
    /// Whoever keeps the address has the call's work in hand.
    let work: CallWork

    /// Who called.
    var uid: UInt32 { work.uid }

    /// Waits until a piece of the answer may be made: the client has read what was made before.
    ///
    /// - Returns: the turn, to be ended with `endTurn`; nil if nobody wants the answer any more.
    func turn() async -> UInt64? {
        await withCheckedContinuation { inbox.post(.stream(StreamWaiter(address: self, continuation: $0))) }
    }

    /// After the piece was sent.
    func endTurn(_ turn: UInt64) { inbox.post(.turnOver(connection: turn, uid: uid)) }

    func send(_ reply: Reply, more: Bool = false) {
        inbox.post(.reply(call: serial, reply, more: more))
    }
}
