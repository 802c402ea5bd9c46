internal import CofferCore
internal import CofferCrypto
internal import CofferVault
internal import CofferVaultKit

/// A Store or Delete of one secret, as it is kept for as long as the environment may lack it.
struct FlyWrite: Sendable {
    /// What the secret is since.
    enum Content: Sendable {
        case value(FlyValue)
        case absent

        var value: FlyValue? {
            if case .value(let value) = self { value } else { nil }
        }

        var fingerprint: String { FlyWrite.fingerprint(value?.text) }
    }

    let content: Content
    /// What the environment had under the secret's name, when the Machine's version was `machine`: it is older than this write.
    var environment: String
    /// A version of the Machine's configuration; "" = not in a Machine.
    var machine: String
    /// Of the app's secrets, since the API has acknowledged this write; 0 = it has not.
    var version: UInt64 = 0
    /// The API had nothing to change: what this write is the same as was written at a version that it did not tell, which may be
    /// later than `version`.
    var isOfUnknownVersion = false
    /// What the API called the secret's value in its acknowledgement; nil = it did not say, or this is a Delete.
    var digest: String?

    /// Tells one value of a variable from another; "" = of one that is not there. It is kept sealed only.
    static func fingerprint(_ value: Secret?) -> String { value.map { Hex.text(Digest.sha256($0)) } ?? "" }

    /// Whether the secret is still what this write made it; nil = nobody knows: the API tells no digest, or told no version.
    ///
    /// - Parameter secret: as the API has it now; nil = it does not.
    func isUnchanged(in secret: FlySecret?) -> Bool? {
        switch (content, secret) {
        case (.absent, nil): return true
        // The answer may be older than the deletion.
        case (.absent, _?) where isOfUnknownVersion: return nil
        case (.absent, _?), (.value, nil): return false
        case (.value, let secret?):
            guard let digest, let now = secret.digest else { return nil }
            return digest == now
        }
    }
}

/// A value of a secret, and what it says of the record.
struct FlyValue: Sendable {
    /// As the variable has it.
    let text: Secret
    /// nil = it is no record, or a damaged one.
    let item: VaultItem?

    /// What was written.
    init(_ text: Secret, _ item: VaultItem) { (self.text, self.item) = (text, item) }

    /// What the environment has. A sealed record tells everything of itself; a text has a version that its bytes make, and
    /// no times.
    ///
    /// - Parameter version: makes that version.
    init(environment text: Secret, version: (Secret) -> String) {
        self.text = text
        guard let document = try? JSON.parse(text), SealedDocument.isMarked(document) else {
            item = VaultItem(payload: .text(text), version: version(text), createdAt: 0, updatedAt: 0, expiresAt: 0)
            return
        }
        item = SealedDocument(document).map { sealed in
            VaultItem(
                payload: .sealed(sealed.envelope), version: sealed.version, createdAt: sealed.created ?? 0,
                updatedAt: sealed.updated ?? 0, expiresAt: sealed.expires)
        }
    }
}
