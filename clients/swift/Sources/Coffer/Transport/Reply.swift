import SwiftProtobuf

/// A response as it arrived.
struct Reply: Sendable {
    /// 0 = OK.
    let status: UInt32
    /// Milliseconds to wait before a retry, 0 = no advice.
    let retryMilliseconds: UInt32
    /// Another reply to the same call follows.
    let more: Bool
    /// Header and payload.
    let frame: Frame

    init(_ header: FrameHeader, _ frame: Frame) {
        status = header.methodOrStatus
        retryMilliseconds = header.timeoutOrRetry
        more = header.flags & FrameHeader.moreFlag != 0
        self.frame = frame
    }

    /// The daemon is about to end, and answers no new call, whether its go-away has come or not.
    var saysDraining: Bool {
        guard status == CofferError.Code.unavailable.rawValue else { return false }
        return (try? Coffer_V1_Failure(serializedBytes: frame))?.reason == .draining
    }

    /// - Parameter mayWrite: the call is one that changes something.
    /// - Throws: what the daemon answered instead of a message, or INTERNAL if
    ///   the message does not decode.
    func message<Request, Response: Message>(
        of method: CofferMethod<Request, Response>, mayWrite: Bool
    ) throws(CofferError) -> Response {
        guard status == 0 else { throw CofferError(self, mayWrite: mayWrite) }
        do {
            return try Response(serializedBytes: frame)
        } catch {
            throw .undecodable(method.fullName).told(mayHaveBeenSent: true, mayWrite: mayWrite)
        }
    }
}

/// A request, encoded once however often it is sent.
struct OutgoingCall: Sendable {
    let frame: Frame
    let methodID: UInt32
    let deadline: ContinuousClock.Instant
    /// It changes something.
    let mayWrite: Bool

    /// - Throws: RESOURCE_EXHAUSTED if it does not fit a frame.
    init<Request: Message, Response: Message>(
        _ request: Request, _ method: CofferMethod<Request, Response>, timeout: Duration, mayWrite: Bool,
        maximumFrameBytes: Int
    ) throws(CofferError) {
        do {
            frame = try request.serializedBytes()
        } catch {
            throw CofferError(.invalidArgument, .malformed, "the request to \(method.fullName) does not encode")
        }
        guard frame.bytes.count <= maximumFrameBytes else {
            throw .frameTooLarge(frame.bytes.count, limit: maximumFrameBytes)
        }
        methodID = method.id
        self.mayWrite = mayWrite
        deadline = .now + timeout
    }

    /// Writes the header for a connection; only while no other queue holds the frame.
    func setHeader(callID: UInt64) {
        let milliseconds = (deadline - .now) / .milliseconds(1)
        frame.setHeader(
            FrameHeader(
                .request, callID: callID, methodOrStatus: methodID,
                timeoutOrRetry: UInt32(min(max(1, milliseconds.rounded(.up)), Double(UInt32.max))),
                payloadBytes: frame.count))
    }
}
