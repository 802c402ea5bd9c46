import SwiftProtobuf

/// What the client itself finds.
extension CofferError {
    /// What the daemon answered: the status, and the `coffer.v1.Failure` behind it.
    ///
    /// - Parameter mayWrite: the call is one that changes something.
    init(_ reply: Reply, mayWrite: Bool) {
        // A status that later daemons may send counts as UNKNOWN.
        let code = reply.status <= Code.unauthenticated.rawValue ? Code(rawValue: reply.status) : .unknown
        let retryAfter: Duration? =
            reply.retryMilliseconds == 0 ? nil : .milliseconds(Int(reply.retryMilliseconds))
        guard let failure = try? Coffer_V1_Failure(serializedBytes: reply.frame) else {
            self = CofferError(code, .malformed, "the daemon's explanation does not decode", retryAfter: retryAfter)
                .told(mayHaveBeenSent: true, mayWrite: mayWrite)
            return
        }
        self.init(failure, code: code, retryAfter: retryAfter)
    }

    init(_ failure: Coffer_V1_Failure, code: Code, retryAfter: Duration? = nil) {
        self.init(
            code, Reason(rawValue: failure.reason.rawValue), failure.message,
            vault: failure.vault.isEmpty ? nil : failure.vault, isRetryable: failure.retryable,
            retryAfter: retryAfter, mayHaveHappened: failure.mayHaveHappened)
    }

    /// The peer sends what no daemon of this protocol would; its connection is closed.
    static func protocolViolation(_ what: String, _ reason: Reason = .malformed) -> CofferError {
        CofferError(.internal, reason, "\(what); the connection is closed: check that a cofferd is at the socket")
    }

    /// A response that is whole but is not the message it should be.
    static func undecodable(_ method: String) -> CofferError {
        CofferError(.internal, .malformed, "the response to \(method) does not decode")
    }

    static let moreAnnounced = CofferError(
        .internal, .malformed, "the daemon announced a response after the one that ends the call")

    static let deadlineExceeded = CofferError(
        .deadlineExceeded, .deadline, "no answer within the time given", isRetryable: true)

    static let clientClosed = CofferError(.cancelled, .cancelled, "the client was closed")

    static let connectionLost = CofferError(
        .unavailable, .unspecified, "the daemon closed the connection", isRetryable: true)

    static func frameTooLarge(_ bytes: Int, limit: Int) -> CofferError {
        CofferError(
            .resourceExhausted, .frameTooLarge,
            "the request takes a frame of \(bytes) bytes, at most \(limit) are sent; make it smaller")
    }

    static func queueFull(_ bytes: Int) -> CofferError {
        CofferError(
            .resourceExhausted, .limit,
            "\(bytes) bytes wait to be sent already; make fewer calls at once", isRetryable: true)
    }

    static func tooManyReplies(_ count: Int) -> CofferError {
        CofferError(
            .resourceExhausted, .limit,
            "\(count) responses to one call wait to be taken; take them faster")
    }

    /// The same error of a call that was not answered, saying what may have come of it.
    ///
    /// - Parameters:
    ///   - mayHaveBeenSent: false if the daemon surely did not get the whole request.
    ///   - mayWrite: the call is one that changes something.
    func told(mayHaveBeenSent: Bool, mayWrite: Bool) -> CofferError {
        var error = self
        if !mayHaveBeenSent {
            error.message += "; the call was not sent"
        } else if mayWrite {
            error.message += "; a write may have happened"
            error.mayHaveHappened = true
        }
        return error
    }
}

/// A connection ended before a call on it was answered.
struct ConnectionLost: Error {
    let cause: CofferError
    /// False if the daemon surely did not get the whole request, or did not carry it out.
    let mayHaveBeenSent: Bool
    /// The daemon has said that the connection may not stay: it carried out nothing that came on it.
    var wasTurnedAway = false

    /// What the caller gets.
    func error(mayWrite: Bool) -> CofferError {
        wasTurnedAway ? cause : cause.told(mayHaveBeenSent: mayHaveBeenSent, mayWrite: mayWrite)
    }
}
