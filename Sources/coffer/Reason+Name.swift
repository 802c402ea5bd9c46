import Coffer

extension CofferError.Reason {
    /// Its name in the protocol; its number where it has none here.
    var name: String { Self.names[rawValue]?.name ?? "REASON_\(rawValue)" }

    /// For a table.
    var words: String { Self.names[rawValue]?.words ?? "reason \(rawValue)" }
    /// Its name; nil where none was given.
    var told: String? { self == .unspecified ? nil : name }

    private static let names: [Int: (name: String, words: String)] = [
        0: ("UNSPECIFIED", "none"),
        10: ("MALFORMED", "malformed"),
        11: ("BAD_FIELD", "bad field"),
        12: ("UNKNOWN_METHOD", "unknown method"),
        13: ("FRAME_TOO_LARGE", "frame too large"),
        14: ("CREDENTIAL_TOO_LARGE", "credential too large"),
        15: ("DUPLICATE_CALL_ID", "duplicate call id"),
        16: ("NOT_SUPPORTED", "not supported"),
        30: ("NOT_FOUND", "not found"),
        31: ("VERSION_MISMATCH", "version mismatch"),
        32: ("ALREADY_EXISTS", "already exists"),
        40: ("DENIED", "denied"),
        41: ("LIMIT", "too many at once"),
        42: ("CANCELLED", "cancelled"),
        43: ("DEADLINE", "no answer in time"),
        60: ("DRAINING", "draining"),
        61: ("VAULT_UNREACHABLE", "unreachable"),
        62: ("VAULT_REFUSED", "refused"),
        63: ("VAULT_FAILED", "failed"),
        64: ("UNREADABLE_RECORD", "unreadable record"),
        65: ("DISK", "disk"),
        79: ("INTERNAL", "internal"),
    ]
}
