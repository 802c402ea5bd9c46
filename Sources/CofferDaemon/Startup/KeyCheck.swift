import CofferCore
import CofferCrypto

/// Sees to it that keys and database belong together: the database keeps the
/// environment's name, sealed.
enum KeyCheck {
    /// - Parameters:
    ///   - existing: what the database keeps; nil if it is being made.
    ///   - environment: the configured one.
    ///   - former: what it was called before.
    ///   - root: where the root key is from which the ring was derived now; nil = there was a ring.
    /// - Returns: what the database is to keep, and the environment that its records are bound to: an
    ///   earlier daemon may have spelled the configured one in another way.
    static func check(
        existing: [UInt8]?, identity: [UInt8], keys: KeyRing, environment: String, former: [String] = [],
        derivedFrom root: String? = nil, generation: UInt64, random: some RandomSource
    ) throws(Failure) -> (kept: [UInt8], environment: String) {
        guard
            let context = try? EnvelopeContext(
                vaultIdentity: identity, environment: "", name: Array("manifest".utf8),
                contentType: "coffer.manifest.v1")
        else { throw .internalError("the manifest has no context") }
        guard let existing else {
            let name = SecretWriter.build(count: environment.utf8.count) { $0.append(environment) }
            do {
                let kept = try keys.seal(
                    name, type: .manifest, generation: generation, context: context, random: random)
                return (kept, environment)
            } catch {
                throw .internalError("the manifest could not be sealed")
            }
        }
        guard let opened = try? keys.open(existing, type: .manifest, context: context) else {
            throw Failure(.failedPrecondition, .unreadableRecord, doesNotFit(derivedFrom: root))
        }
        let bound = opened.withBytes { bytes in
            var cursor = ByteCursor()
            return cursor.text(count: opened.count, in: bytes)
        }
        guard let bound, bound == environment || former.contains(bound) || EnvironmentName.meant(by: bound) == environment
        else {
            // Production's database opens in production only.
            let isProduction = EnvironmentName.meant(by: bound ?? "") == EnvironmentName.production
            let another =
                isProduction
                ? ""
                : "; if it is the same environment under an earlier name, set former_environment (or COFFER_FORMER_ENV) to that name"
            throw Failure(
                .failedPrecondition, .unreadableRecord,
                "the database belongs to the environment \"\(bound ?? "")\", and \"\(environment)\" is configured; set environment (or COFFER_ENV) back, or use another data folder\(another)"
            )
        }
        return (existing, bound)
    }

    private static func doesNotFit(derivedFrom root: String?) -> String {
        guard let root else {
            return "the database was sealed under other keys than those in the key ring, or its manifest is damaged; bring back the key ring that belongs to it, or a backup of both"
        }
        return "the database was sealed under other keys than those of the root key (\(root)), and there is no key ring; bring back the root key that it was made with, or the key ring"
    }
}
