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
    /// Who called.
    let uid: UInt32

    func send(_ reply: Reply, more: Bool = false) {
        inbox.post(.reply(call: serial, reply, more: more))
    }
}
