import CofferCore
import CofferCrypto

/// Records as texts that other programs read and write too: the credential and
/// nothing else. All that is known of it beside that is what the vault says.
struct TextCodec: Sendable {
    let vault: String
    let legacy: LegacyFormat?
    let generations: GenerationSource
    let random: any RandomSource

    /// - Parameter format: `.json` or `.legacyAES`.
    func encode(_ body: RecordBody, as format: RecordFormat) throws(Failure) -> (VaultPayload, version: String) {
        guard body.labels.isEmpty else {
            throw refusal(
                "\(body.labels.count) labels were given, and the format \(format.rawValue) keeps none, as the programs it is shared with know none; leave them out, or use the format sealed"
            )
        }
        // The other programs parse what they find, in the clear or once it is opened.
        guard body.credential.withBytes({ CredentialText.format(of: $0) }) == .json else {
            throw .badField(
                "credential",
                "expected a JSON object in UTF-8, because this vault keeps the format \(format.rawValue); the text given is something else"
            )
        }
        return (.text(format == .json ? body.credential : try seal(body.credential)), version())
    }

    /// - Parameter key: under which the vault keeps it.
    func decode(
        _ item: VaultItem, _ text: Secret, as format: RecordFormat, key: RecordKey, foreignFormat: RecordFormat?
    ) throws(Failure) -> Record {
        Self.record(
            item, key: key, credential: format == .json ? text : try open(text), foreignFormat: foreignFormat)
    }

    /// The record without its credential: a listing needs none, and some vaults
    /// list without giving it.
    static func listed(_ item: VaultItem, key: RecordKey) -> Record {
        record(item, key: key, credential: SecretWriter.build(count: 0) { _ in }, foreignFormat: nil)
    }

    private static func record(
        _ item: VaultItem, key: RecordKey, credential: Secret, foreignFormat: RecordFormat?
    ) -> Record {
        Record(
            body: RecordBody(
                key: key, credential: credential, labels: [:], updatedAt: item.updatedAt, expiresAt: item.expiresAt),
            version: item.version, createdAt: item.createdAt, foreignFormat: foreignFormat)
    }

    // What is sealed in the legacy format is no secret any more: arrays may hold it.

    private func seal(_ credential: Secret) throws(Failure) -> Secret {
        guard let legacy else { throw Self.needsKey(vault: vault) }
        do throws(CryptoError) {
            let text = try legacy.seal(credential, random: random)
            return SecretWriter.build(count: text.count) { writer in text.forEach { writer.append($0) } }
        } catch {
            throw .internalError("a record could not be sealed")
        }
    }

    private func open(_ text: Secret) throws(Failure) -> Secret {
        guard let legacy else { throw Self.needsKey(vault: vault) }
        let digits = text.withBytes { bytes in
            var cursor = ByteCursor()
            return cursor.array(count: bytes.byteCount, in: bytes)
        }
        do throws(CryptoError) {
            return try legacy.open(digits ?? [])
        } catch {
            throw Self.doesNotOpen(vault: vault)
        }
    }

    static func needsKey(vault: String) -> Failure {
        Failure(
            .failedPrecondition, .notSupported,
            "the format legacy-aes needs the passphrase that the other program has: set key.passphrase_file or CREDENTIAL_ENCRYPTION_KEY",
            vault: vault)
    }

    /// GCM does not tell the two causes apart.
    static func doesNotOpen(vault: String) -> Failure {
        Failure(
            .dataLoss, .unreadableRecord,
            "the stored record has the format legacy-aes and does not open: the program that wrote it has another CREDENTIAL_ENCRYPTION_KEY than this daemon, or it is damaged",
            vault: vault)
    }

    /// As long and as unique as an envelope's.
    private func version() -> String {
        let generation = generations.next()
        let bytes = (0..<8).map { UInt8(truncatingIfNeeded: generation >> (56 - 8 * $0)) }
        return Hex.text(bytes + random.bytes(4))
    }

    private func refusal(_ why: String) -> Failure {
        Failure(.failedPrecondition, .notSupported, why, vault: vault)
    }
}
