internal import CofferCore
internal import CofferCrypto
internal import CofferVault
internal import CofferVaultKit

/// What a secret holds.
enum AWSValue: Sendable {
    /// SecretString.
    case text(Secret)
    /// SecretBinary: nothing secret, as it is sealed.
    case binary([UInt8])

    /// As the service takes it.
    var member: (name: String, value: JSON) {
        switch self {
        case .text(let text): ("SecretString", .string(text))
        case .binary(let bytes): ("SecretBinary", .string(Base64.text(bytes)))
        }
    }
}

/// What stands in SecretString, or in SecretBinary where that is too short.
///
/// A sealed record is `{"coffer":"coffer1:…","version":"…","created":ms,
/// "updated":ms,"expires":ms}`, so that one read tells everything. Any other text
/// is a credential in a format shared with other programs, as it is.
///
/// A sealed record that is too large for such a document is SecretBinary: a `SealedBinary`.
enum AWSDocument {
    /// The most bytes that the service keeps in one secret.
    static let maximumBytes = 65_536
    /// The largest sealed payload: it fits as binary, with the longest version.
    static let maximumPayloadBytes = maximumBytes - SealedBinary.overhead
    /// The sealed payload of which the document, with the longest version and
    /// times, just fits.
    static let maximumTextPayloadBytes = (maximumBytes - overhead) / 4 * 3

    /// Names, punctuation, the prefix, 128 bytes of version and three numbers.
    private static let overhead =
        "{\"coffer\":\"coffer1:\",\"version\":\"\",\"created\":,\"updated\":,\"expires\":}".utf8.count + 128 + 3 * 20

    /// - Throws: INVALID_ARGUMENT for a payload that does not fit, or that would
    ///   come back as something else.
    static func value(of item: VaultItem, created: WallMilliseconds, vault: String) throws(Failure) -> AWSValue {
        switch item.payload {
        case .sealed(let envelope):
            guard (1...maximumPayloadBytes).contains(envelope.count) else {
                throw .payloadTooLarge(envelope.count, limit: maximumPayloadBytes, vault: vault)
            }
            guard envelope.count <= maximumTextPayloadBytes else {
                return .binary(SealedBinary.bytes(envelope, of: item, created: created))
            }
            let text = try SealedDocument.text(of: item, created: created)
            guard text.count <= maximumBytes else { throw tooLarge(text.count, vault) }
            return .text(text)
        case .text(let text):
            guard (1...maximumBytes).contains(text.count) else { throw tooLarge(text.count, vault) }
            return .text(try SealedDocument.text(of: item, created: created))
        }
    }

    /// - Parameters:
    ///   - version: of the secret, for text that has none of its own.
    ///   - created: of that version.
    /// - Returns: nil for a sealed record that is damaged.
    static func item(_ text: Secret, version: String, created: WallMilliseconds) -> VaultItem? {
        guard let document = try? JSON.parse(text), SealedDocument.isMarked(document) else {
            let written = AWSToken.time(ofVersion: version) ?? created
            return VaultItem(
                payload: .text(text), version: version, createdAt: written, updatedAt: written, expiresAt: 0)
        }
        return SealedDocument(document).map { sealed in
            VaultItem(
                payload: .sealed(sealed.envelope), version: sealed.version, createdAt: sealed.created ?? created,
                updatedAt: sealed.updated ?? created, expiresAt: sealed.expires)
        }
    }

    private static func tooLarge(_ bytes: Int, _ vault: String) -> Failure {
        Failure(
            .invalidArgument, .credentialTooLarge,
            "the stored text has \(bytes) bytes, AWS Secrets Manager accepts 1 to \(maximumBytes)", vault: vault)
    }
}
