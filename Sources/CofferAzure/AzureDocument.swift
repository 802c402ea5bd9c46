internal import CofferCore
internal import CofferVault
internal import CofferVaultKit

/// What a secret holds: its value, and tags beside it.
///
/// A sealed record is a `SealedDocument`, so that the value alone tells everything. Any other text is a credential in a
/// format shared with other programs, as it is; its times are in tags. Whoever may list secrets sees tags.
enum AzureDocument {
    /// The most bytes that the service keeps as a value: 25 KB.
    static let maximumBytes = 25_600
    /// The largest sealed payload: as a `SealedDocument` with a version of 24 characters, as the daemon gives it, it fits.
    static let maximumPayloadBytes = (maximumBytes - 172) / 4 * 3

    /// Whose record it is, for people, and for names that do not tell it.
    static let userTag = "coffer-user"
    static let connectionTag = "coffer-connection"
    /// Milliseconds since 1970. Of a text, what it has no place for; `expires` of both, so that a list and the answer to a
    /// removal tell it.
    private static let createdTag = "coffer-created"
    private static let updatedTag = "coffer-updated"
    private static let expiresTag = "coffer-expires"
    private static let sealed = "application/vnd.coffer+json"
    /// The content type of what is being deleted: if it is recovered, it is no record until it is written again.
    static let removed = "application/vnd.coffer.removed"
    /// What sets it.
    static let removal = JSON.object([("contentType", .string(removed))])

    enum Content {
        case item(VaultItem)
        case removed
        /// Something is there that is no record.
        case unreadable
    }

    // MARK: Writing

    /// - Parameter created: when the record first came to be.
    /// - Throws: INVALID_ARGUMENT for what does not fit, or would come back as something else.
    static func body(
        of item: VaultItem, _ key: RecordKey, created: WallMilliseconds, vault: String
    ) throws(Failure) -> JSON {
        let value = try value(of: item, created: created, vault: vault)
        var attributes: [(name: String, value: JSON)] = [("enabled", .bool(true))]
        // Whole seconds, and not before the record expires.
        if item.expiresAt != 0 { attributes.append(("exp", .integer((item.expiresAt + 999) / 1_000))) }
        return .object([
            ("value", .string(value)), ("contentType", .string(type(of: item.payload))),
            ("attributes", .object(attributes)), ("tags", tags(of: item, key, created: created)),
        ])
    }

    private static func value(of item: VaultItem, created: WallMilliseconds, vault: String) throws(Failure) -> Secret {
        switch item.payload {
        case .sealed(let envelope):
            guard (1...maximumPayloadBytes).contains(envelope.count) else {
                throw .payloadTooLarge(envelope.count, limit: maximumPayloadBytes, vault: vault)
            }
            return try fitting(SealedDocument.json(envelope, of: item, created: created).encode(), vault)
        case .text(let text):
            let text = try fitting(text, vault)
            guard text.withBytes({ $0.isUTF8 }), !((try? JSON.parse(text)).map(SealedDocument.isMarked) ?? false) else {
                throw .badField(
                    "credential",
                    "must be UTF-8 in the formats json and legacy-aes, and must not have a member \"coffer\" that begins "
                        + "with \"coffer1:\": it marks sealed records")
            }
            return text
        }
    }

    private static func fitting(_ text: Secret, _ vault: String) throws(Failure) -> Secret {
        guard (1...maximumBytes).contains(text.count) else {
            throw Failure(
                .invalidArgument, .credentialTooLarge,
                "the stored text has \(text.count) bytes, Azure Key Vault accepts 1 to \(maximumBytes)", vault: vault)
        }
        return text
    }

    private static func type(of payload: VaultPayload) -> String {
        guard case .text(let text) = payload else { return sealed }
        return text.withBytes { $0.byteCount > 0 && $0.byte(at: 0) == UInt8(ascii: "{") } ? "application/json" : "text/plain"
    }

    /// Far from the service's limits of 15 tags and 512 characters of each.
    private static func tags(of item: VaultItem, _ key: RecordKey, created: WallMilliseconds) -> JSON {
        var tags: [(name: String, value: JSON)] = [
            (userTag, .string(key.user)), (connectionTag, .string(key.connection)),
        ]
        if case .text = item.payload {
            tags += [(createdTag, .string(String(created))), (updatedTag, .string(String(item.updatedAt)))]
        }
        if item.expiresAt != 0 { tags.append((expiresTag, .string(String(item.expiresAt)))) }
        return .object(tags)
    }

    // MARK: Reading

    /// Trusts nothing: anybody may have written the secret.
    static func content(of secret: AzureSecret) -> Content {
        if secret.contentType == removed { return .removed }
        guard let version = secret.version, let value = secret.value?.secret, value.count > 0 else { return .unreadable }
        let created = time(createdTag, secret) ?? secret.created ?? 0
        let updated = time(updatedTag, secret) ?? secret.created ?? 0
        guard let document = try? JSON.parse(value), SealedDocument.isMarked(document) else {
            return .item(
                VaultItem(
                    payload: .text(value), version: version, createdAt: created, updatedAt: updated,
                    expiresAt: expiry(of: secret)))
        }
        guard let sealed = SealedDocument(document) else { return .unreadable }
        return .item(
            VaultItem(
                payload: .sealed(sealed.envelope), version: sealed.version, createdAt: sealed.created ?? created,
                updatedAt: sealed.updated ?? updated, expiresAt: sealed.expires))
    }

    /// When it expires, as far as its value is not needed for that: 0 = never. What a daemon wrote expires as its tag says, whatever
    /// became of `exp` since: a policy of the vault's owner may set it on every secret.
    static func expiry(of secret: AzureSecret) -> WallMilliseconds {
        let isOfDaemon = secret.contentType == sealed || secret.tags?[userTag] != nil
        return (isOfDaemon ? time(expiresTag, secret) : secret.expires) ?? 0
    }

    /// Whose record it is, by its tags.
    static func key(of secret: AzureSecret) -> RecordKey? {
        guard let user = secret.tags?[userTag]?.text, let connection = secret.tags?[connectionTag]?.text else { return nil }
        return try? RecordKey(user: user, connection: connection)
    }

    private static func time(_ tag: String, _ secret: AzureSecret) -> WallMilliseconds? {
        secret.tags?[tag]?.text.flatMap { WallMilliseconds($0) }.flatMap { $0 < 253_402_300_800_000 ? $0 : nil }
    }
}
