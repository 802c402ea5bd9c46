import CofferAccess
import CofferCore
import CofferWire

/// What the server itself refuses.
extension Failure {
    static let draining = Failure(
        .unavailable, .draining, "the daemon is stopping; connect again", retryable: true,
        retryAfterMilliseconds: 100)

    static let cutOff = Failure(
        .unavailable, .draining, "the daemon stopped before the vault answered", retryable: true,
        retryAfterMilliseconds: 100, mayHaveWritten: true)

    static func frameTooLarge(_ bytes: Int, _ limit: Int) -> Failure {
        Failure(
            .resourceExhausted, .frameTooLarge,
            "a frame of \(bytes) bytes was announced, at most \(limit) are accepted; it is skipped")
    }

    static func unsupportedFrame(_ header: FrameHeader) -> Failure {
        Failure(
            .invalidArgument, .malformed,
            "expected version 1 and kind 1 (request) or 3 (cancel), got version \(header.version) and kind \(header.kind); the connection is closed"
        )
    }

    static func lengthTooSmall(_ length: UInt32) -> Failure {
        Failure(
            .invalidArgument, .malformed,
            "a frame's length field is at least 20, got \(length); the connection is closed")
    }

    static func unknownFlags(_ flags: UInt16) -> Failure {
        Failure(.invalidArgument, .malformed, "a request's flags are 0, got \(flags)")
    }

    static func duplicateCallID(_ id: UInt64) -> Failure {
        Failure(
            .invalidArgument, .duplicateCallID,
            "call id \(id) is still in flight on this connection; that call goes on")
    }

    static func unknownMethod(_ id: UInt32) -> Failure {
        Failure(
            .unimplemented, .unknownMethod,
            "no method has the id \(id); ids are FNV-1a of names like coffer.v1.Credentials/Get")
    }

    static func tooManyCalls(ofConnection limit: Int) -> Failure {
        tooMany("this connection has \(limit) calls that wait for a vault, which is the limit")
    }

    static func tooManyCalls(_ limit: Int) -> Failure {
        tooMany("this uid has \(limit) calls in progress (cancelled ones count until their work ends), which is the limit")
    }

    static func tooManyCalls(ofRule limits: GrantLimits) -> Failure {
        tooMany("this uid has \(limits.inFlight ?? 0) calls of the policy's rule that wait for a vault, which is the limit (in_flight)")
    }

    /// - Parameter nanoseconds: until there is room.
    static func tooOften(_ nanoseconds: UInt64) -> Failure {
        let milliseconds = UInt32(clamping: nanoseconds / 1_000_000 + 1)
        return Failure(
            .resourceExhausted, .limit,
            "this uid has asked for as many records as the policy's rule lets it (rate); try again in \(milliseconds) ms",
            retryable: true, retryAfterMilliseconds: milliseconds)
    }

    static func tooManyCallsInAll(_ limit: Int) -> Failure {
        tooMany("the daemon has \(limit) calls in progress, which is the limit")
    }

    private static func tooMany(_ what: String) -> Failure {
        Failure(
            .resourceExhausted, .limit, what + "; wait for some to end, then try again", retryable: true,
            retryAfterMilliseconds: 50)
    }

    static let noRoomForFrame = Failure(
        .resourceExhausted, .limit,
        "too many bytes wait for the clients of this uid, or for all clients; the frame was skipped: send it again later",
        retryable: true, retryAfterMilliseconds: 100)

    static let noRoomForCall = Failure(
        .resourceExhausted, .limit,
        "too many bytes wait for the clients of this uid, or for all clients; read responses first, then try again",
        retryable: true, retryAfterMilliseconds: 100)

    static let tooManyFlights = Failure(
        .resourceExhausted, .limit, "too many reads wait for the vault; try again", retryable: true,
        retryAfterMilliseconds: 50)

    static let tooManyConnections = Failure(
        .resourceExhausted, .limit, "too many connections are open; close some or raise the limit",
        retryable: true, retryAfterMilliseconds: 1_000)

    /// Of a connection.
    static let notServed = Failure(
        .permissionDenied, .denied,
        "denied: this uid may do nothing here; the daemon's policy says who may, and without one only the daemon's own uid")

    /// Of a connection whose caller is not known.
    static let notIdentified = Failure(
        .unavailable, .unspecified,
        "the daemon could not find out in time who this caller is: /proc or the host's users do not answer; connect again",
        retryable: true, retryAfterMilliseconds: 1_000)

    /// Of a call.
    static func denied(_ uid: UInt32, _ verb: Verb) -> Failure {
        Failure(.permissionDenied, .denied, "denied: uid \(uid) has no grant for \(verb) here")
    }

    /// Of a Store or Delete that would tell whether the record is there.
    static func deniedCondition(_ uid: UInt32) -> Failure {
        Failure(.permissionDenied, .denied, "denied: uid \(uid) has no grant for get here, which a condition needs")
    }
}
