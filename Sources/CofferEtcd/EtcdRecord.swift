internal import CofferCore
internal import CofferVault
internal import CofferVaultKit

/// What is stored under the key of a record.
struct EtcdRecord: Sendable {
    /// Of the whole store, when this was written: another one with every write.
    let revision: Int64
    /// Of the whole store, when the key came to be: it stays until the key is removed.
    let creation: Int64
    /// The lease that removes it; 0 = none.
    let lease: Int64
    /// A failure: something is there that cannot be read.
    let item: Result<VaultItem, Failure>

    /// Of a `kvs` element of etcd's answers.
    ///
    /// - Returns: nil for what is none.
    init?(_ json: JSON, vault: String) {
        guard let revision = json["mod_revision"]?.revision, revision > 0, let creation = json["create_revision"]?.revision,
            creation > 0
        else { return nil }
        self.revision = revision
        self.creation = creation
        lease = json["lease"]?.int64 ?? 0
        item = Self.item(json["value"]?.string, vault: vault)
    }

    /// Trusts nothing: another program may have written it.
    private static func item(_ value: JSONString?, vault: String) -> Result<VaultItem, Failure> {
        guard let value, let text = Base64.bytes(value, limit: EtcdVault.maximumAnswerBytes),
            let json = try? JSON.parse(answer: text, recordAt: 0), let document = SealedDocument(json)
        else { return .failure(.unreadable(vault: vault)) }
        return .success(
            VaultItem(
                payload: .sealed(document.envelope), version: document.version, createdAt: document.created ?? 0,
                updatedAt: document.updated ?? 0, expiresAt: document.expires))
    }

    /// nil if it has expired.
    func live(at now: WallMilliseconds) -> Result<VaultItem, Failure>? {
        if case .success(let item) = item, !item.isLive(at: now) { return nil }
        return item
    }

    /// The name of a `kvs` element, which is any bytes where it is not ours; nil if it has none.
    static func name(_ json: JSON) -> [UInt8]? {
        json["key"]?.string.flatMap { Base64.bytes($0, limit: EtcdVault.maximumAnswerBytes) }.map { JSONString($0).bytes }
    }
}

/// Parts of transactions, as types: etcd ignores members that it does not know, and a misspelt comparison would be none.
enum EtcdTransaction {
    /// What must be so for a write.
    enum Guard {
        /// Nobody has written the record since it was read.
        case unchanged(EtcdRecord)
        /// There is no record.
        case absent
    }

    private static func compare(_ name: String, _ guarding: Guard) -> JSON {
        let (target, member, revision) =
            switch guarding {
            case .unchanged(let record): ("MOD", "mod_revision", record.revision)
            case .absent: ("CREATE", "create_revision", 0)
            }
        return .object([
            ("key", .base64(name)), ("target", .string(target)), ("result", .string("EQUAL")), (member, .int64(revision)),
        ])
    }

    static func range(_ name: String) -> JSON {
        .object([("request_range", .object([("key", .base64(name))]))])
    }

    /// - Parameters:
    ///   - value: in base64.
    ///   - lease: 0 = none: a put without one takes the key from the lease that it had.
    static func put(_ name: String, value: String, lease: Int64) -> JSON {
        var members: [(name: String, value: JSON)] = [("key", .base64(name)), ("value", .string(value))]
        if lease != 0 { members.append(("lease", .int64(lease))) }
        return .object([("request_put", .object(members))])
    }

    static func delete(_ name: String) -> JSON {
        .object([("request_delete_range", .object([("key", .base64(name))]))])
    }

    /// Does `operation` if what guards it is so, and reads the record if not.
    static func call(_ name: String, if guarding: Guard, do operation: JSON, for purpose: EtcdCall.Purpose) -> EtcdCall {
        EtcdCall(
            "kv/txn",
            [
                ("compare", .array([compare(name, guarding)])), ("success", .array([operation])),
                ("failure", .array([range(name)])),
            ], for: purpose)
    }
}
