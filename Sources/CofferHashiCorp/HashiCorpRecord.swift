internal import CofferCore
internal import CofferVault
internal import CofferVaultKit

/// What the vault says about a record: read in one GET.
struct HashiCorpRecord: Sendable {
    /// Of the newest KV version, even a deleted one; 0 = there is none.
    var version: Int64 = 0
    /// nil = deleted, destroyed or removed; a failure = there is one that cannot be read.
    var item: Result<VaultItem, Failure>?
    /// When the newest version was written, or deleted if it was, by the vault's clock; nil = no version exists.
    private(set) var changedAt: WallMilliseconds?
    /// Of the key, as the newest version shows it; nil = none of the two does.
    private(set) var metadata: HashiCorpMetadata?

    static let absent = HashiCorpRecord()

    func live(at now: WallMilliseconds) -> Result<VaultItem, Failure>? {
        if case .success(let item)? = item, !item.isLive(at: now) { return nil }
        return item
    }

    /// It is what became of a record after the other, which has the record's second name: also
    /// if it has expired or was deleted since.
    func isNewer(than other: HashiCorpRecord) -> Bool {
        guard let changedAt else { return false }
        return other.changedAt.map { changedAt > $0 } ?? true
    }
}

extension HashiCorpRecord {
    /// What stands in `metadata` of a version.
    private struct Metadata {
        let version: Int64
        let createdText: String
        let created: WallMilliseconds
        let deleted: WallMilliseconds?
        /// An object.
        let custom: JSON?

        /// nil for anything that is no metadata of a KV version.
        init?(_ json: JSON?) {
            guard let version = json?["version"]?.integer, version > 0,
                let createdText = json?["created_time"]?.text, let created = Timestamp.milliseconds(of: createdText)
            else { return nil }
            let deletedText = json?["deletion_time"]?.text ?? ""
            deleted = Timestamp.milliseconds(of: deletedText)
            guard deletedText.isEmpty || deleted != nil else { return nil }
            self.version = version
            self.createdText = createdText
            self.created = created
            custom = json?["custom_metadata"].flatMap { $0.members == nil ? nil : $0 }
        }

        /// Numbers start again when a key is deleted and made anew; times do not.
        var token: String { "\(version)-\(createdText)" }

        /// Rounded: the two times are taken from the same clock.
        var lifetime: Int64 {
            guard let deleted else { return 0 }
            return deleted < created ? 0 : Int64((deleted - created + 500) / 1000)
        }
    }

    /// Of the answer to a GET of `data/`.
    ///
    /// - Throws: the refusal; for anything else than such an answer UNAVAILABLE.
    init(_ answer: HashiCorpAnswer, vault: String) throws(Failure) {
        if let metadata = answer.data?["metadata"], answer.status == 404 {
            guard let metadata = Metadata(metadata) else { throw .hashiCorpGarbled(.read, vault) }
            // Its time of deletion says when that was, and not what the key's rule is.
            self.init(version: metadata.version, item: nil, changedAt: max(metadata.created, metadata.deleted ?? 0))
            return
        }
        if answer.isAbsence {
            self = .absent
            return
        }
        guard answer.isSuccess else {
            throw answer.status == 404 && !answer.hasErrorTexts
                ? .hashiCorpGarbled(.read, vault) : .hashiCorp(answer, .read, vault: vault)
        }
        guard let metadata = Metadata(answer.data?["metadata"]), let data = answer.data?["data"] else {
            throw .hashiCorpGarbled(.read, vault)
        }
        self.init(
            version: metadata.version, item: try Self.item(data, metadata, vault: vault), changedAt: metadata.created,
            metadata: HashiCorpMetadata(custom: metadata.custom, lifetime: metadata.lifetime))
    }

    private static func item(
        _ data: JSON, _ metadata: Metadata, vault: String
    ) throws(Failure) -> Result<VaultItem, Failure>? {
        // A patch may leave a version without data.
        if data.isNull { return nil }
        guard data.members != nil, data.isReadable else { return .failure(.unreadableText(vault: vault)) }
        let created = metadata.custom?["created"]?.text.flatMap(Timestamp.milliseconds(of:)) ?? metadata.created
        switch HashiCorpValue.reading(data) {
        case nil: return .failure(.unreadable(vault: vault))
        case .removed: return nil
        case .sealed(let sealed):
            return .success(
                VaultItem(
                    payload: .sealed(sealed.envelope), version: sealed.version, createdAt: sealed.created ?? created,
                    updatedAt: sealed.updated ?? metadata.created, expiresAt: sealed.expires))
        case .text(let text):
            return .success(
                VaultItem(
                    payload: .text(text), version: metadata.token,
                    createdAt: min(created, metadata.created), updatedAt: metadata.created,
                    expiresAt: metadata.deleted ?? 0))
        }
    }

    /// Nil for what is no answer to a write.
    static func written(_ answer: HashiCorpAnswer) -> HashiCorpWritten? {
        guard answer.isSuccess, let metadata = Metadata(answer.data) else { return nil }
        return HashiCorpWritten(
            version: metadata.version, token: metadata.token, created: metadata.created, lifetime: metadata.lifetime)
    }
}

/// What the vault says of a version that it has just taken.
struct HashiCorpWritten: Equatable, Sendable {
    let version: Int64
    /// Names the version beyond the life of its key; see `VaultItem.version`.
    let token: String
    /// By the vault's clock.
    let created: WallMilliseconds
    /// Seconds after which the vault collects it; 0 = never.
    let lifetime: Int64
}
