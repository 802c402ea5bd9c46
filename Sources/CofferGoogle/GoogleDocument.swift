internal import CofferCore
internal import CofferVault
internal import CofferVaultKit

/// What a version of a secret holds.
///
/// A sealed record is a `SealedDocument`, or a `SealedBinary` where that is too large. Any other text is a credential
/// in a format shared with other programs, as it is.
enum GoogleDocument {
    /// The most bytes that the service keeps in one version.
    static let maximumBytes = 65_536
    /// The largest sealed payload: it fits as binary, with the longest version.
    static let maximumPayloadBytes = maximumBytes - SealedBinary.overhead

    enum Content {
        case sealed(VaultItem)
        /// Somebody copied the envelope alone, without its times.
        case undated(SealedDocument)
        case text(Secret)
    }

    /// - Parameter created: when the record first came to be.
    /// - Throws: INVALID_ARGUMENT for what does not fit, or would come back as something else.
    static func payload(of item: VaultItem, created: WallMilliseconds, vault: String) throws(Failure) -> Secret {
        switch item.payload {
        case .sealed(let envelope):
            guard (1...maximumPayloadBytes).contains(envelope.count) else {
                throw .payloadTooLarge(envelope.count, limit: maximumPayloadBytes, vault: vault)
            }
            let document = SealedDocument.json(envelope, of: item, created: created).encode()
            if document.count <= maximumBytes { return document }
            let bytes = SealedBinary.bytes(envelope, of: item, created: created)
            return SecretWriter.build(count: bytes.count) { writer in bytes.forEach { writer.append($0) } }
        case .text(let text):
            guard (1...maximumBytes).contains(text.count) else {
                throw Failure(
                    .invalidArgument, .credentialTooLarge,
                    "the stored text has \(text.count) bytes, Google Secret Manager accepts 1 to \(maximumBytes)",
                    vault: vault)
            }
            guard case .text? = content(text) else {
                throw .badField(
                    "credential",
                    "must be UTF-8 in the formats json and legacy-aes, and must not have a member \"coffer\" that begins "
                        + "with \"coffer1:\": it marks sealed records")
            }
            return text
        }
    }

    /// Trusts nothing.
    ///
    /// - Returns: nil for a sealed record that is damaged, and for bytes that are no text.
    static func content(_ payload: Secret) -> Content? {
        if SealedBinary.isMarked(payload) { return SealedBinary.item(payload).map(Content.sealed) }
        guard payload.count > 0, payload.withBytes({ $0.isUTF8 }) else { return nil }
        guard let json = try? JSON.parse(payload), SealedDocument.isMarked(json) else { return .text(payload) }
        guard let sealed = SealedDocument(json) else { return nil }
        guard let created = sealed.created, let updated = sealed.updated else { return .undated(sealed) }
        return .sealed(item(sealed, created: created, updated: updated))
    }

    static func item(_ sealed: SealedDocument, created: WallMilliseconds, updated: WallMilliseconds) -> VaultItem {
        VaultItem(
            payload: .sealed(sealed.envelope), version: sealed.version, createdAt: created, updatedAt: updated,
            expiresAt: sealed.expires)
    }
}
