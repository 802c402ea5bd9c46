import CofferAccess
import CofferCore
import CofferWire

/// One request on its way through the reactor's thread.
struct Call {
    // Both outlive the call: `act` holds them. To count their references costs as much as to look
    // a key up.
    private let lentReactor: Unmanaged<Reactor>
    private let lentConnection: Unmanaged<Connection>
    /// How long the client will wait, in milliseconds; 0 = as long as the daemon's default.
    let timeoutMilliseconds: UInt32
    let payloadBytes: Int
    var context: CallContext
    /// What counts it while it waits for a vault; nil = the rule that allowed it sets no such limit.
    var usage: GrantUsage?

    @inline(__always)
    init(_ reactor: Reactor, _ connection: Connection, _ header: FrameHeader, payloadBytes: Int) {
        lentReactor = Unmanaged.passUnretained(reactor)
        lentConnection = Unmanaged.passUnretained(connection)
        timeoutMilliseconds = header.timeoutOrRetry
        self.payloadBytes = payloadBytes
        context = CallContext(
            caller: connection.peer, callID: header.callID, methodID: header.methodOrStatus, started: reactor.now)
    }

    var caller: Peer { context.caller }
    var reactor: Reactor { lentReactor.takeUnretainedValue() }
    var connection: Connection { lentConnection.takeUnretainedValue() }
    /// What its caller may do.
    var grants: CallerGrants { connection.grants }

    /// Lends both without counting references.
    @inline(__always)
    func lend<R>(_ body: (Reactor, Connection) -> R) -> R {
        lentReactor._withUnsafeGuaranteedRef { reactor in
            lentConnection._withUnsafeGuaranteedRef { body(reactor, $0) }
        }
    }
}

/// What a service has made of a call.
enum Handled {
    /// The answer is in the connection's output: it was in the cache.
    case hit
    /// The cache knows that there is no record.
    case absent
    /// This is the answer, encoded.
    case reply(Secret)
    /// The call waits: its answer comes through the reactor's inbox.
    case waits
}

/// What a reactor hands its calls to: all that it knows of the services behind it.
protocol CallServices: AnyObject {
    /// Answers the call, or begins what will.
    ///
    /// - Parameters:
    ///   - payload: of the request; lent, as all that is decoded on the arena, until this returns.
    ///   - call: learns which records it is about.
    /// - Throws: what is wrong with the request; the reactor answers with it. Never where the call waits.
    func handle(_ payload: UnsafeRawBufferPointer, _ arena: Arena, _ call: inout Call) throws(Failure) -> Handled

    /// Before a longer wait: leaves no secret behind on this thread.
    func rest()
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
    /// - Returns: the turn, to be ended with `send(_:more:ending:)` or `end(_:)`; nil if nobody wants the
    ///   answer any more.
    func turn(_ kind: StreamTurn.Kind) async -> StreamTurn? {
        await withCheckedContinuation {
            inbox.post(.stream(StreamWaiter(address: self, kind: kind, continuation: $0)))
        }
    }

    /// Sends a piece of the answer, made of these responses.
    func send(_ responses: [Secret], more: Bool, ending turn: StreamTurn) {
        inbox.post(.piece(StreamPiece(call: serial, responses: responses, more: more, turn: turn, uid: uid)))
    }

    /// Ends a turn in which nothing was made.
    func end(_ turn: StreamTurn) { send([], more: true, ending: turn) }

    func send(_ reply: Reply) { inbox.post(.reply(call: serial, reply)) }
}
