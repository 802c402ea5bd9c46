import CofferAccess
import CofferCore

/// What is known of a call, from its dispatch until it ends.
///
/// It lies on the reactor's stack, and is stored only where the call waits.
struct CallContext {
    let caller: Peer
    /// What the client calls it: for the wire only.
    let callID: UInt64
    /// As the client sent it; 0 for a frame that is no request.
    let methodID: UInt32
    /// When it was read from its connection.
    let started: BootInstant
    /// Which records it is about, as soon as the request is parsed.
    var keys = CallKeys.none
    /// How the policy decided about its record or, for those that are about several, about all; nil = it was not asked.
    /// The rule is one of those that the caller's grants were made by.
    var decision: CallerGrants.Decision?
    /// What its reactor knows it by, and gives to no other; 0 = it does not wait.
    var serial: UInt64 = 0
    /// When it must be over; nil = it does not wait.
    var deadline: BootInstant?

    /// It has to wait: what was lent to it would not last.
    mutating func wait(as serial: UInt64, until deadline: BootInstant) {
        self.serial = serial
        self.deadline = deadline
        if case .lent(let user, let connection) = keys {
            keys = .record(
                RecordKey(checkedUser: RequestFields.string(user), connection: RequestFields.string(connection)))
        }
    }

    /// Nil for an id that no method has.
    @inline(__always)
    var method: CallMethod? { CallMethod(id: methodID) }
    /// What the caller wants to do.
    var verb: Verb? { method?.verb }
}

/// Which records a call is about.
enum CallKeys {
    /// None, or it ended before that was known.
    case none
    /// One, whose ids are lent until the reactor's arena is reset.
    case lent(user: UnsafeRawBufferPointer, connection: UnsafeRawBufferPointer)
    case record(RecordKey)
    case records([RequestedKey])
    /// All of one user.
    case user(String)
    case all
}

/// One of several keys of a call.
struct RequestedKey: Sendable {
    let key: RecordKey
    /// Its own result, if it is not to be asked for.
    let refusal: Failure?

    var isAllowed: Bool { refusal == nil }
}

/// How a call ended.
enum CallOutcome {
    /// OK, with what was in the cache.
    case hit
    /// NOT_FOUND, as the cache knows that there is no record.
    case absent
    /// OK; a stream with its last piece.
    case answered
    case failed(Failure)
    /// Its deadline came first.
    case expired(Failure)
    /// By its client.
    case cancelled(Failure)
    /// Its connection went first: nobody was answered.
    case lost

    /// What the client is told, if it is told of a failure.
    var failure: Failure? {
        switch self {
        case .absent: .notFound
        case .failed(let failure), .expired(let failure), .cancelled(let failure): failure
        case .hit, .answered, .lost: nil
        }
    }
}

/// Looks at every call that ends, on the thread of its reactor.
protocol CallObserver: AnyObject, Sendable {
    /// Called once for each call, when its answer is complete and before that is sent. Lent keys
    /// are good until it returns.
    func callEnded(_ call: borrowing CallContext, _ outcome: CallOutcome)
}
