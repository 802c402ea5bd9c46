/// Names one credential.
public struct CredentialKey: Hashable, Sendable {
    /// 1 to 256 bytes of UTF-8 without control characters.
    public var user: String
    /// 1 to 256 bytes of UTF-8 without control characters.
    public var connection: String

    /// Makes a key; the daemon checks the rules.
    public init(user: String, connection: String) {
        self.user = user
        self.connection = connection
    }
}

/// A credential and what the daemon knows about it. Times are Unix milliseconds, UTC.
public struct CredentialRecord: Equatable, Sendable {
    /// Where an answer came from.
    public enum Source: Sendable {
        /// From the daemon's cache, inside its TTL.
        case memory
        /// The vault was asked for this answer.
        case vault
        /// From the cache past its TTL, because the vault could not be asked.
        case staleOnError
        /// A later daemon says something this client does not know.
        case unknown
    }

    /// The secret, as it was stored.
    public let credential: Credential
    /// Opaque: equal exactly when the stored value is the same write.
    public let version: String
    /// As they were stored.
    public let labels: [String: String]
    /// When the record first came to be; kept by replacing it.
    public let createdAtMilliseconds: UInt64
    /// When this version was written.
    public let updatedAtMilliseconds: UInt64
    /// From this moment on the record is not found; nil = never.
    public let expiresAtMilliseconds: UInt64?
    /// Where this answer came from.
    public let source: Source
    /// How long ago the vault said so.
    public let age: Duration
    /// Whether the answer is older than the TTL allows.
    public let isStale: Bool
    /// The record's format in the vault, "json" for instance, if it is not the one that the
    /// vault is written in: somebody else may have written it. Else nil.
    public let foreignFormat: String?
}

/// What a Store has done. Times are Unix milliseconds, UTC.
public struct StoreReceipt: Equatable, Sendable {
    /// The new version, for `StoreCondition.version` and `CredentialRecord.version`.
    public let version: String
    /// When the record first came to be.
    public let createdAtMilliseconds: UInt64
    /// When this version was written.
    public let updatedAtMilliseconds: UInt64
    /// From this moment on the record is not found; nil = never.
    public let expiresAtMilliseconds: UInt64?
}

/// What must hold for a Store to happen.
public enum StoreCondition: Equatable, Sendable {
    /// The vault has this version now; else the Store fails with ABORTED.
    case version(String)
    /// There is no live record; else the Store fails with ALREADY_EXISTS.
    case absent
}

/// One connection of a user, without its credential. Times are Unix milliseconds, UTC.
public struct ConnectionEntry: Equatable, Sendable {
    /// Which credential this is about. An id is empty if there is an `error` and only the record
    /// itself could tell it.
    public let key: CredentialKey
    /// Why the record, which is there, cannot be read; nil = it can. If it is not nil, there is
    /// no version, no label and no time.
    public let error: CofferError?
    /// Opaque: equal exactly when the stored value is the same write.
    public let version: String
    /// As they were stored.
    public let labels: [String: String]
    /// When the record first came to be.
    public let createdAtMilliseconds: UInt64
    /// When this version was written.
    public let updatedAtMilliseconds: UInt64
    /// From this moment on the record is not found; nil = never.
    public let expiresAtMilliseconds: UInt64?
}
