import CofferCore
import CofferCrypto

/// Records as envelopes, bound to one vault, one environment and one key.
struct SealedCodec: Sendable {
    let keys: KeyRing
    let vault: String
    let vaultIdentity: [UInt8]
    let environment: String
    /// Other names of it, under which earlier daemons sealed: only read.
    let formerEnvironments: [String]
    let generations: GenerationSource
    let random: any RandomSource

    func encode(_ body: RecordBody, tag: [UInt8]) throws(Failure) -> (VaultPayload, version: String) {
        let sealed: [UInt8]
        do {
            sealed = try keys.seal(
                count: body.encodedByteCount, { body.encode(to: &$0) }, type: .value,
                generation: generations.next(), context: try context(environment, tag: tag), random: random)
        } catch {
            throw .internalError("a record could not be sealed")
        }
        guard let version = Envelope.version(of: sealed) else {
            throw .internalError("a sealed record has no version")
        }
        return (.sealed(sealed), version)
    }

    /// - Parameter tag: of the key under which the vault keeps it.
    /// - Throws: `.unreadable`, whatever the cause.
    func decode(
        _ envelope: [UInt8], createdAt: WallMilliseconds, tag: [UInt8], foreignFormat: RecordFormat?
    ) throws(Failure) -> Record {
        guard let plaintext = open(envelope, tag: tag), let body = RecordBody(decoding: plaintext),
            let version = Envelope.version(of: envelope)
        else { throw .unreadable(vault: vault) }
        return Record(body: body, version: version, createdAt: createdAt, foreignFormat: foreignFormat)
    }

    private func open(_ envelope: [UInt8], tag: [UInt8]) -> Secret? {
        if let opened = try? keys.open(envelope, type: .value, context: try context(environment, tag: tag)) {
            return opened
        }
        for name in formerEnvironments {
            if let opened = try? keys.open(envelope, type: .value, context: try context(name, tag: tag)) { return opened }
        }
        return nil
    }

    private func context(_ environment: String, tag: [UInt8]) throws(CryptoError) -> EnvelopeContext {
        try EnvelopeContext(
            vaultIdentity: vaultIdentity, environment: environment, name: tag,
            contentType: "coffer.record.v1")
    }
}
