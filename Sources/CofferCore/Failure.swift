/// Why a call failed: the one error type that crosses module borders, and what
/// `coffer.v1.Failure` carries to the client.
///
/// Texts say what was expected, what came, the limit and what to do. They never
/// hold a credential, a token or a vault's own text.
package struct Failure: Error, Equatable, Sendable {
    /// `coffer.v1.Failure.Reason`, by number.
    package enum Reason: Int32, Sendable, CaseIterable {
        case unspecified = 0
        case malformed = 10
        case badField = 11
        case unknownMethod = 12
        case frameTooLarge = 13
        case credentialTooLarge = 14
        case duplicateCallID = 15
        case notSupported = 16
        case notFound = 30
        case versionMismatch = 31
        case alreadyExists = 32
        case denied = 40
        case limit = 41
        case cancelled = 42
        case deadline = 43
        case draining = 60
        case vaultUnreachable = 61
        case vaultRefused = 62
        case vaultFailed = 63
        case unreadableRecord = 64
        case disk = 65
        case `internal` = 79

        /// The name as the protocol, documents and logs write it, for instance `VAULT_REFUSED`.
        package var name: String {
            switch self {
            case .unspecified: "UNSPECIFIED"
            case .malformed: "MALFORMED"
            case .badField: "BAD_FIELD"
            case .unknownMethod: "UNKNOWN_METHOD"
            case .frameTooLarge: "FRAME_TOO_LARGE"
            case .credentialTooLarge: "CREDENTIAL_TOO_LARGE"
            case .duplicateCallID: "DUPLICATE_CALL_ID"
            case .notSupported: "NOT_SUPPORTED"
            case .notFound: "NOT_FOUND"
            case .versionMismatch: "VERSION_MISMATCH"
            case .alreadyExists: "ALREADY_EXISTS"
            case .denied: "DENIED"
            case .limit: "LIMIT"
            case .cancelled: "CANCELLED"
            case .deadline: "DEADLINE"
            case .draining: "DRAINING"
            case .vaultUnreachable: "VAULT_UNREACHABLE"
            case .vaultRefused: "VAULT_REFUSED"
            case .vaultFailed: "VAULT_FAILED"
            case .unreadableRecord: "UNREADABLE_RECORD"
            case .disk: "DISK"
            case .internal: "INTERNAL"
            }
        }
    }

    package var code: StatusCode
    package var reason: Reason
    private var text: String
    /// The configured name of the vault concerned; empty if none was.
    package var vault: String
    /// The same call may succeed later without a change.
    package var retryable: Bool
    /// Milliseconds to wait before a retry; 0 = no advice.
    package var retryAfterMilliseconds: UInt32
    /// Surely nothing of the call reached the vault, so nothing has happened there.
    package var isUnsent: Bool
    /// The vault may have done what the call asked for, or a part of it, although the
    /// call failed. False says that surely nothing was written.
    package var mayHaveWritten: Bool
    /// The call was given so little time that its end says nothing about the vault.
    package var hadLittleTime = false
    /// A call before this one has failed so, and the vault was not asked again: it says nothing new about the vault.
    package var isRemembered = false
    /// The vault's own `timeout_ms` ran out, and not the caller's time.
    package private(set) var isTimeout = false

    /// For people. It says whether a write may have happened.
    package var message: String { mayHaveWritten ? text + "; a write may have happened" : text }

    package init(
        _ code: StatusCode, _ reason: Reason, _ message: String, vault: String = "",
        retryable: Bool = false, retryAfterMilliseconds: UInt32 = 0, isUnsent: Bool = false,
        mayHaveWritten: Bool = false
    ) {
        self.code = code
        self.reason = reason
        text = message
        self.vault = vault
        self.retryable = retryable
        self.retryAfterMilliseconds = retryAfterMilliseconds
        self.isUnsent = isUnsent
        self.mayHaveWritten = mayHaveWritten
    }
}

extension Failure {
    /// Of a call that has changed something before this failure: as a whole it was sent.
    package var afterChange: Failure {
        var failure = self
        failure.isUnsent = false
        failure.mayHaveWritten = true
        return failure
    }

    /// For a call that met it without asking the vault itself.
    package var remembered: Failure {
        var failure = self
        failure.isRemembered = true
        return failure
    }

    /// The same with more said.
    package func adding(_ words: String) -> Failure {
        var failure = self
        failure.text += words
        return failure
    }

    /// A field breaks its rule; `rule` says which and what is allowed.
    package static func badField(_ field: String, _ rule: String) -> Failure {
        Failure(.invalidArgument, .badField, "\(field): \(rule)")
    }

    /// There is no live record.
    package static let notFound = Failure(
        .notFound, .notFound, "there is no record for this user and connection")

    /// `if_absent` was asked, and a live record is there.
    package static let alreadyExists = Failure(
        .alreadyExists, .alreadyExists, "the record already exists (if_absent)")

    /// `if_version` named another version than the vault has.
    package static let versionMismatch = Failure(
        .aborted, .versionMismatch,
        "the record has changed since that version; read it again and retry")

    private static let noAnswer = "no answer within the time given"
    private static let nothingDone = "; nothing was done"

    /// The caller's time, or the daemon's for this vault, ran out.
    package static func deadlineExceeded(vault: String = "") -> Failure {
        Failure(
            .deadlineExceeded, .deadline, noAnswer, vault: vault, retryable: true,
            mayHaveWritten: true)
    }

    /// The same of an attempt that had all of the vault's `timeout_ms`. Any other failure stays as it is.
    package func ofTimeout(_ milliseconds: UInt32) -> Failure {
        guard reason == .deadline, text == Self.noAnswer else { return self }
        var failure = self
        let time = milliseconds.isMultiple(of: 1_000) ? "\(milliseconds / 1_000)s" : "\(milliseconds)ms"
        failure.text = "the vault did not answer within timeout_ms (\(time))"
        failure.isTimeout = true
        return failure
    }

    /// Of a Store or Delete for which the vault had too little time: says so too if surely nothing was written.
    package var ofChange: Failure {
        guard reason == .deadline, !mayHaveWritten, !text.hasSuffix(Self.nothingDone) else { return self }
        return adding(Self.nothingDone)
    }

    /// The same of a call, or a first step of one, that only reads.
    package var ofRead: Failure {
        var failure = self
        failure.mayHaveWritten = false
        return failure
    }

    /// A record is there but cannot be opened. The cause is not told outward.
    package static func unreadable(vault: String) -> Failure {
        Failure(
            .dataLoss, .unreadableRecord,
            "the stored record does not open: it is damaged, or was sealed under a key that this daemon does not have",
            vault: vault)
    }

    /// A record is there in clear, and cannot be given back as it is.
    package static func unreadableText(vault: String) -> Failure {
        Failure(
            .dataLoss, .unreadableRecord,
            "the stored record is JSON that cannot be given back as it is: it nests more than 32 deep, has a member twice, or holds half of a surrogate pair; have the program that wrote it write it again",
            vault: vault)
    }

    /// A broken assumption of ours; `what` is fixed text.
    package static func internalError(_ what: String) -> Failure {
        Failure(.internal, .internal, "\(what); this is a fault of the daemon, please report it")
    }
}
