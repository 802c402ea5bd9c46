import CofferAccess
import CofferCore
import CofferWire

/// One request on its way through the reactor's thread.
struct Call {
    let reactor: Reactor
    let connection: Connection
    let header: FrameHeader

    var peer: Peer { connection.peer }

    /// Where an answer that comes later is to be sent.
    var returnAddress: ReturnAddress {
        ReturnAddress(
            inbox: reactor.inbox, reactor: reactor.index, connection: connection.token,
            callID: header.callID, uid: peer.uid)
    }

    func respond(_ message: Secret) {
        reactor.respond(connection, header.callID, message)
    }
}

/// Names a call on a reactor's connection, from any thread.
package struct ReturnAddress: Sendable {
    let inbox: Inbox
    let reactor: Int
    let connection: UInt64
    let callID: UInt64
    /// Who called.
    let uid: UInt32

    var waiter: (reactor: Int, connection: UInt64, callID: UInt64) { (reactor, connection, callID) }

    func send(_ reply: Reply, more: Bool = false) {
        inbox.post(.reply(connection: connection, callID: callID, reply, more: more))
    }
}
