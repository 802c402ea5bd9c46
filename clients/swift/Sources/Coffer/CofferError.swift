/// Why a call failed: what the daemon answered, or what the client found.
///
/// Act on `code`; `reason` says it more finely; `message` is for people and holds
/// no credential, no token and no vault's own text. A cancelled task gets
/// `CancellationError` instead.
public struct CofferError: Error, Equatable, Sendable {
    /// What kind of failure: gRPC's status, by number and by meaning.
    public var code: Code
    /// Finer than the code; new ones may come.
    public var reason: Reason
    /// What was expected, what came and what to do.
    public var message: String
    /// The configured name of the vault concerned; nil if none was.
    public var vault: String?
    /// Whether the same call may succeed later without a change.
    public var isRetryable: Bool
    /// Whether the call may have changed something although it failed: a write that was sent and not answered, or one of
    /// which the daemon cannot know.
    public var mayHaveHappened: Bool
    /// How long the daemon advises to wait before a retry; nil = no advice.
    public var retryAfter: Duration?

    /// Makes an error; the client and the daemon do, tests may.
    public init(
        _ code: Code, _ reason: Reason, _ message: String, vault: String? = nil,
        isRetryable: Bool = false, retryAfter: Duration? = nil, mayHaveHappened: Bool = false
    ) {
        self.code = code
        self.reason = reason
        self.message = message
        self.vault = vault
        self.isRetryable = isRetryable
        self.retryAfter = retryAfter
        self.mayHaveHappened = mayHaveHappened
    }
}

extension CofferError: CustomStringConvertible {
    /// For instance `NOT_FOUND: there is no record for this user and connection`.
    public var description: String {
        "\(code): \(message)" + (vault.map { " (vault \($0))" } ?? "")
    }
}

extension CofferError {
    /// A status, open to codes of later daemons.
    public struct Code: RawRepresentable, Hashable, Sendable {
        /// The number on the wire.
        public let rawValue: UInt32
        /// Wraps any number.
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// The call was cancelled, or the client closed.
        public static let cancelled = Code(rawValue: 1)
        /// The daemon does not know why.
        public static let unknown = Code(rawValue: 2)
        /// The request is wrong; sending it again changes nothing.
        public static let invalidArgument = Code(rawValue: 3)
        /// No answer in time; a Store or Delete may have happened.
        public static let deadlineExceeded = Code(rawValue: 4)
        /// There is no live record.
        public static let notFound = Code(rawValue: 5)
        /// `StoreCondition.absent`, and a live record is there.
        public static let alreadyExists = Code(rawValue: 6)
        /// The daemon's policy does not let this process do it.
        public static let permissionDenied = Code(rawValue: 7)
        /// A limit was reached; the message names it.
        public static let resourceExhausted = Code(rawValue: 8)
        /// The vault cannot do what was asked.
        public static let failedPrecondition = Code(rawValue: 9)
        /// The record's version is another one than was asked for.
        public static let aborted = Code(rawValue: 10)
        /// A value is out of its range.
        public static let outOfRange = Code(rawValue: 11)
        /// The daemon does not know the method.
        public static let unimplemented = Code(rawValue: 12)
        /// The daemon, or what it sent, is at fault.
        public static let `internal` = Code(rawValue: 13)
        /// The daemon or the vault cannot be reached now.
        public static let unavailable = Code(rawValue: 14)
        /// The stored record does not open.
        public static let dataLoss = Code(rawValue: 15)
        /// The vault does not accept the daemon's own credentials.
        public static let unauthenticated = Code(rawValue: 16)
    }

    /// A cause, open to those of later daemons: `coffer.v1.Failure.Reason` by number.
    public struct Reason: RawRepresentable, Hashable, Sendable {
        /// The number on the wire.
        public let rawValue: Int
        /// Wraps any number.
        public init(rawValue: Int) { self.rawValue = rawValue }

        /// None was given.
        public static let unspecified = Reason(rawValue: 0)
        /// A frame or message does not decode.
        public static let malformed = Reason(rawValue: 10)
        /// A field breaks its rule; the message names it.
        public static let badField = Reason(rawValue: 11)
        /// The daemon does not know the method.
        public static let unknownMethod = Reason(rawValue: 12)
        /// A frame is over the limit.
        public static let frameTooLarge = Reason(rawValue: 13)
        /// The credential is over the limit.
        public static let credentialTooLarge = Reason(rawValue: 14)
        /// Two calls in flight had one id.
        public static let duplicateCallID = Reason(rawValue: 15)
        /// This vault cannot do it.
        public static let notSupported = Reason(rawValue: 16)
        /// There is no live record.
        public static let notFound = Reason(rawValue: 30)
        /// The condition named another version than the vault has.
        public static let versionMismatch = Reason(rawValue: 31)
        /// A live record is there already.
        public static let alreadyExists = Reason(rawValue: 32)
        /// The daemon's policy says no.
        public static let denied = Reason(rawValue: 40)
        /// Too much at once.
        public static let limit = Reason(rawValue: 41)
        /// The call was cancelled, or the client closed.
        public static let cancelled = Reason(rawValue: 42)
        /// The time given ran out.
        public static let deadline = Reason(rawValue: 43)
        /// The daemon is stopping.
        public static let draining = Reason(rawValue: 60)
        /// The vault cannot be reached.
        public static let vaultUnreachable = Reason(rawValue: 61)
        /// The vault refused the daemon.
        public static let vaultRefused = Reason(rawValue: 62)
        /// The vault's answer makes no sense.
        public static let vaultFailed = Reason(rawValue: 63)
        /// The record is damaged, or sealed under a key the daemon lacks.
        public static let unreadableRecord = Reason(rawValue: 64)
        /// The daemon's own storage failed or is full.
        public static let disk = Reason(rawValue: 65)
        /// A fault of the daemon.
        public static let `internal` = Reason(rawValue: 79)
    }
}

extension CofferError.Code: CustomStringConvertible {
    private static let names = [
        "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
        "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
        "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
        "UNAUTHENTICATED",
    ]

    /// gRPC's name, for instance `NOT_FOUND`; `STATUS_99` for a code without one.
    public var description: String {
        rawValue < Self.names.count ? Self.names[Int(rawValue)] : "STATUS_\(rawValue)"
    }
}
