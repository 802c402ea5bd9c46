internal import CofferCore
internal import CofferCrypto
internal import CofferVault
internal import CofferVaultKit

/// A Store or Delete of one secret that this process's environment does not show: what is kept of it until a start whose
/// environment does.
struct FlyWrite: Sendable {
    /// What the secret is since.
    enum Content: Sendable {
        case value(FlyValue)
        case absent

        var value: FlyValue? {
            if case .value(let value) = self { value } else { nil }
        }
    }

    /// Where it stands at the API.
    enum Stage: Equatable, Sendable {
        /// It is being sent, or its answer was lost. The secret had this digest before; nil = it was not there.
        case sent(before: String?)
        /// The API has it. The secret has this digest since; nil = the API did not tell, or it was a Delete.
        case acknowledged(digest: String?)
    }

    let content: Content
    var stage: Stage
    /// What the environment had under the secret's name then: see `fingerprint`.
    let environment: String?
    /// The version of the Machine's configuration that the process ran as then; "" = not in a Machine.
    let machine: String
    /// Of the app's secrets, since the API has acknowledged it; 0 = not known.
    var version: UInt64

    /// Tells one value of a variable from another; nil of one that is not there. It is kept sealed only.
    static func fingerprint(_ value: Secret?) -> String? { value.map { Hex.text(Digest.sha256($0)) } }

    /// The environment shows it.
    func isIn(environment value: Secret?) -> Bool {
        switch content {
        case .absent: value == nil
        case .value(let written): value?.isEqual(to: written.text) == true
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

/// Which of two states of a secret is the newer one: that in the environment of this start, or that of a write before it.
enum FlyOrder {
    enum Verdict: Equatable, Sendable {
        /// The environment's: the write is in it, or another one that came later.
        case environment
        /// The write's: no start since has brought it in.
        case write
        /// The API's digest decides.
        case unknown
    }

    /// What the start alone tells.
    ///
    /// A process keeps the environment that its Machine's boot gave it, and a boot gives what the Machine's last update
    /// fixed. So the write is the newer one while neither the Machine's version nor the variable has changed since it. If one
    /// has, the Machine was updated after the write; then the variable is newer, unless that update took an older state of
    /// the secrets than the API has.
    ///
    /// - Parameters:
    ///   - value: of the variable now; nil = it is not there.
    ///   - machine: the version of the Machine's configuration now; "" = not in a Machine.
    static func atStart(_ write: FlyWrite, environment value: Secret?, machine: String) -> Verdict {
        if write.isIn(environment: value) { return .environment }
        let isSameMachine = machine == write.machine || machine.isEmpty || write.machine.isEmpty
        return isSameMachine && FlyWrite.fingerprint(value) == write.environment ? .write : .unknown
    }

    /// What the API's digest tells where the start did not: the write is the newer one while the secret is what it made it.
    ///
    /// - Parameters:
    ///   - secret: as the API has it now; nil = it does not.
    ///   - isInEnvironment: the variable is there.
    static func settled(_ write: FlyWrite, by secret: FlySecret?, isInEnvironment: Bool) -> Verdict {
        switch (write.content, secret) {
        case (.absent, nil): return .write
        case (.absent, _?), (.value, nil): return .environment
        case (.value, let secret?):
            guard case .acknowledged(let digest?) = write.stage, let now = secret.digest else {
                return isInEnvironment ? .environment : .write
            }
            return digest == now ? .write : .environment
        }
    }

    /// Whether a write whose answer was lost has reached the API: the secret is no longer what it was before.
    static func hasArrived(_ write: FlyWrite, by secret: FlySecret?) -> Bool {
        guard case .sent(let before) = write.stage else { return true }
        switch write.content {
        case .absent: return secret == nil
        case .value: return secret != nil && secret?.digest != before
        }
    }
}
