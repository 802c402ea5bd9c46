internal import CofferCore
internal import CofferVault
internal import CofferVaultKit

/// What a key holds: its value, and the metadata beside it.
///
/// A sealed record is a `SealedDocument`, so that the value alone tells everything. Any other text is a
/// credential in a format shared with other programs, as it is. The metadata are those of the TypeScript
/// code, `{"userId":…,"connectionId":…,"createdAt":…}`; beside a text also what it has no room for, `version`,
/// `updatedAt` and `expiresAt`.
enum CloudflareDocument {
    /// The most bytes of metadata, as JSON.
    static let maximumMetadataBytes = 1_024

    /// - Throws: INVALID_ARGUMENT for a payload that does not fit, or that would come back as something else.
    static func value(
        of item: VaultItem, created: WallMilliseconds, limit: Int, vault: String
    ) throws(Failure) -> Secret {
        guard (1...limit).contains(item.payload.count) else {
            throw .payloadTooLarge(item.payload.count, limit: limit, vault: vault)
        }
        return try SealedDocument.text(of: item, created: created)
    }

    /// As JSON text. Ids whose escapes would make it too long are left out: the key tells them.
    static func metadata(of item: VaultItem, _ key: RecordKey, created: WallMilliseconds) -> Secret {
        var times: [(name: String, value: JSON)] = [("createdAt", .string(Timestamp.text(created)))]
        if case .text = item.payload {
            times += [("updatedAt", .string(Timestamp.text(item.updatedAt))), ("version", .string(item.version))]
            if item.expiresAt != 0 { times.append(("expiresAt", .string(Timestamp.text(item.expiresAt)))) }
        }
        let ids: [(name: String, value: JSON)] = [
            ("userId", .string(key.user)), ("connectionId", .string(key.connection)),
        ]
        let all = JSON.object(ids + times).encode()
        return all.count <= maximumMetadataBytes ? all : JSON.object(times).encode()
    }

    /// - Parameters:
    ///   - metadata: what anybody may have written; nil = none.
    ///   - expiration: of the key, in seconds since 1970; nil = never.
    ///   - unversioned: makes the version of a text that tells neither version nor time.
    /// - Returns: nil for a sealed record that is damaged.
    static func item(
        _ value: Secret, _ metadata: JSON?, expiration: Int64?, unversioned: (Secret) -> String
    ) -> VaultItem? {
        guard let document = try? JSON.parse(value), SealedDocument.isMarked(document) else {
            return text(value, metadata, expiration: expiration, unversioned: unversioned)
        }
        return SealedDocument(document).map { sealed in
            let created = time("createdAt", metadata) ?? 0
            return VaultItem(
                payload: .sealed(sealed.envelope), version: sealed.version, createdAt: sealed.created ?? created,
                updatedAt: sealed.updated ?? created, expiresAt: sealed.expires)
        }
    }

    private static func text(
        _ value: Secret, _ metadata: JSON?, expiration: Int64?, unversioned: (Secret) -> String
    ) -> VaultItem {
        let created = time("createdAt", metadata)
        let version = metadata?["version"]?.text.flatMap { isVersion($0) ? $0 : nil }
        let until = expiration.flatMap { (0..<10_000_000_000).contains($0) ? WallMilliseconds($0) * 1_000 : nil } ?? 0
        return VaultItem(
            payload: .text(value), version: version ?? created.map { "at-\($0)" } ?? unversioned(value),
            createdAt: created ?? 0, updatedAt: time("updatedAt", metadata) ?? created ?? 0,
            expiresAt: time("expiresAt", metadata) ?? until)
    }

    private static func isVersion(_ text: String) -> Bool {
        (1...VaultItem.maximumVersionBytes).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }

    private static func time(_ name: String, _ metadata: JSON?) -> WallMilliseconds? {
        metadata?[name]?.text.flatMap(Timestamp.milliseconds(of:))
    }
}
