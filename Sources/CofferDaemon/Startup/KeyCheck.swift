import CofferCore
import CofferCrypto

/// Sees to it that keys and database belong together: the database keeps the
/// environment's name, sealed.
enum KeyCheck {
    /// What a vault with a database asks for when it opens: see `VaultContext.keyCheck`.
    static func check(
        existing: [UInt8]?, identity: [UInt8], keys: KeyRing, environment: String, generation: UInt64,
        random: some RandomSource
    ) throws(Failure) -> [UInt8] {
        guard
            let context = try? EnvelopeContext(
                vaultIdentity: identity, environment: "", name: Array("manifest".utf8),
                contentType: "coffer.manifest.v1")
        else { throw .internalError("the manifest has no context") }
        guard let existing else {
            let name = SecretWriter.build(count: environment.utf8.count) { $0.append(environment) }
            do {
                return try keys.seal(
                    name, type: .manifest, generation: generation, context: context, random: random)
            } catch {
                throw .internalError("the manifest could not be sealed")
            }
        }
        guard let opened = try? keys.open(existing, type: .manifest, context: context) else {
            throw Failure(
                .failedPrecondition, .unreadableRecord,
                "the database was sealed under other keys than those in the key ring, or its manifest is damaged; bring back the key ring that belongs to it, or a backup of both"
            )
        }
        let sealedFor = opened.withBytes { bytes in
            var cursor = ByteCursor()
            return cursor.text(count: opened.count, in: bytes)
        }
        guard sealedFor == environment else {
            throw Failure(
                .failedPrecondition, .unreadableRecord,
                "the database belongs to the environment \"\(sealedFor ?? "")\", and \"\(environment)\" is configured; set environment (or COFFER_ENV) back, or use another data folder"
            )
        }
        return existing
    }
}
