import CofferCore
import CofferWire

/// How calls end. All ways lead through `complete`.
extension Reactor {
    /// The end of a call, once for each: answered, refused, expired, cancelled, or lost with its
    /// connection. A frame that never became a call ends here too, if it is answered with a failure.
    @inline(__always)
    func complete(_ call: borrowing CallContext, _ outcome: CallOutcome) {
        counters.ended.increment(call.method, CallEnding(outcome))
        if let observer { observer.callEnded(call, outcome) }
    }

    /// The last answer to a call.
    func answer(_ call: borrowing CallContext, on connection: Connection, with reply: Reply) {
        switch reply {
        case .message(let message): respond(connection, call.callID, message)
        case .record(let record, let tail): respond(connection, call.callID, record, tail: tail)
        case .failure(let failure): return refuse(call, on: connection, .failed(failure))
        }
        complete(call, .answered)
    }

    /// Answers with the outcome's failure.
    func refuse(_ call: borrowing CallContext, on connection: Connection, _ outcome: CallOutcome) {
        guard let failure = outcome.failure else { return }
        respond(connection, call.callID, failure)
        complete(call, outcome)
    }

    /// Refuses a frame that does not become a call.
    ///
    /// - Parameter header: nil where the frame has none.
    func refuse(frame header: FrameHeader?, on connection: Connection, _ failure: Failure) {
        let isRequest = header?.version == FrameHeader.version && header?.kind == FrameKind.request.rawValue
        let call = CallContext(
            caller: connection.peer, callID: header?.callID ?? 0, methodID: isRequest ? header?.methodOrStatus ?? 0 : 0,
            started: now)
        refuse(call, on: connection, .failed(failure))
    }

    /// Takes a waiting call off the lists and stops what can be stopped of its work, then answers it
    /// with the outcome's failure.
    func giveUp(_ connection: Connection, _ callID: UInt64, _ outcome: CallOutcome) {
        guard let call = endCall(connection, callID) else { return }
        call.work.stop()
        refuse(call.context, on: connection, outcome)
    }
}
