package import CofferCore
internal import CofferCrypto
package import CofferVault

/// A sealed record as JSON, so that one read tells everything, for vaults that keep text:
/// `{"coffer":"coffer1:…","version":"…","created":ms,"updated":ms,"expires":ms}`.
package struct SealedDocument: Sendable {
    /// The member with the envelope, which marks the document.
    package static let mark = "coffer"
    private static let prefix = Array(Envelope.textPrefix.utf8)

    package let envelope: [UInt8]
    package let version: String
    /// nil where somebody copied the envelope alone.
    package let created: WallMilliseconds?
    package let updated: WallMilliseconds?
    package let expires: WallMilliseconds

    /// - Parameter created: when the record first came to be, which the vault may know better than the item.
    package static func json(_ envelope: [UInt8], of item: VaultItem, created: WallMilliseconds) -> JSON {
        .object([
            (mark, .string(Envelope.text(envelope))), ("version", .string(item.version)),
            ("created", .integer(created)), ("updated", .integer(item.updatedAt)),
            ("expires", .integer(item.expiresAt)),
        ])
    }

    /// What a vault of texts keeps of an item: such a document of a sealed record, and a text as it is.
    ///
    /// - Throws: INVALID_ARGUMENT for text that is not UTF-8, or that would come back as a sealed record.
    package static func text(of item: VaultItem, created: WallMilliseconds) throws(Failure) -> Secret {
        switch item.payload {
        case .sealed(let envelope): return json(envelope, of: item, created: created).encode()
        case .text(let text):
            guard text.withBytes({ $0.isUTF8 }) else {
                throw .badField("credential", "must be UTF-8 in the formats json and legacy-aes")
            }
            guard !((try? JSON.parse(text)).map(isMarked) ?? false) else {
                throw .badField(
                    "credential",
                    "must not have a member \"coffer\" that begins with \"coffer1:\": it marks sealed records")
            }
            return text
        }
    }

    /// Whether `json` says that it is one, sound or not.
    package static func isMarked(_ json: JSON) -> Bool { json[mark]?.string?.begins(with: prefix) == true }

    /// Trusts nothing.
    ///
    /// - Returns: nil for what is not marked, or is damaged.
    package init?(_ json: JSON) {
        // The text of an envelope is no secret.
        guard let text = json[Self.mark]?.string, text.begins(with: Self.prefix),
            let envelope = try? Envelope.bytes(ofText: text.bytes),
            let version = json["version"] == nil ? Envelope.version(of: envelope) : json["version"]?.text,
            (1...VaultItem.maximumVersionBytes).contains(version.utf8.count),
            version.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else { return nil }
        self.envelope = envelope
        self.version = version
        do throws(Damaged) {
            created = try Self.time("created", json)
            updated = try Self.time("updated", json)
            expires = try Self.time("expires", json) ?? 0
        } catch {
            return nil
        }
    }

    private struct Damaged: Error {}

    /// - Returns: nil if there is none.
    private static func time(_ name: String, _ json: JSON) throws(Damaged) -> WallMilliseconds? {
        guard let value = json[name] else { return nil }
        guard let time = value.integer, time >= 0 else { throw Damaged() }
        return WallMilliseconds(time)
    }
}
