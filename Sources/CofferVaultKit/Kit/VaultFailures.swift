package import CofferCore

/// Failures that several vaults have.
extension Failure {
    /// The deadline had passed when the call came.
    package static func notBegun(vault: String) -> Failure {
        Failure(
            .deadlineExceeded, .deadline, "the time given ran out before the vault began; nothing was done",
            vault: vault, retryable: true, isUnsent: true)
    }

    /// The caller left before the call began.
    package static func revoked(vault: String) -> Failure {
        Failure(.cancelled, .cancelled, "the caller went away", vault: vault, isUnsent: true)
    }

    /// The call came after `close`.
    package static func closed(vault: String) -> Failure {
        Failure(.unavailable, .draining, "the vault is being closed", vault: vault, retryable: true, isUnsent: true)
    }

    /// More calls wait than the vault allows.
    package static func queueFull(vault: String, capacity: Int) -> Failure {
        Failure(
            .resourceExhausted, .limit, "\(capacity) calls wait for this vault already; try later",
            vault: vault, retryable: true, retryAfterMilliseconds: 100, isUnsent: true)
    }

    /// The payload is empty, or larger than `VaultCapabilities.maximumPayloadBytes`.
    package static func payloadTooLarge(_ bytes: Int, limit: Int, vault: String) -> Failure {
        Failure(
            .invalidArgument, .credentialTooLarge,
            "the sealed record has \(bytes) bytes, this vault accepts 1 to \(limit)", vault: vault)
    }

    /// The vault keeps envelopes, and got text.
    package static func sealedOnly(vault: String, kind: String) -> Failure {
        Failure(
            .failedPrecondition, .notSupported, "a vault of kind \(kind) keeps the format sealed only", vault: vault)
    }
}
