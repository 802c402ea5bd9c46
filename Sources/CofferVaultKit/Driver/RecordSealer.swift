package import CofferCore
package import CofferCrypto

/// Seals what a vault keeps beside its records in files of the daemon's, under the daemon's keys.
package struct RecordSealer: Sendable {
    private let keys: KeyRing
    /// The configured one first; behind it other names of it, under which earlier daemons sealed.
    private let environments: [String]
    private let clock: any Clock
    private let random: any RandomSource

    /// - Parameters:
    ///   - environment: what is sealed in another one does not open.
    ///   - former: earlier names of it.
    package init(
        keys: KeyRing, environment: String, former: [String] = [], clock: any Clock, random: any RandomSource
    ) {
        self.keys = keys
        environments = [environment] + former
        self.clock = clock
        self.random = random
    }

    /// - Parameters:
    ///   - identity: the vault's.
    ///   - name: of what is sealed, 1 to 1024 bytes; it opens under this name only.
    ///   - contentType: how to read it.
    /// - Throws: INTERNAL for more than `Envelope.maximumPlaintextBytes`, and for a name that is no name.
    package func seal(
        _ plaintext: Secret, identity: [UInt8], name: [UInt8], contentType: String
    ) throws(Failure) -> [UInt8] {
        do throws(CryptoError) {
            let context = try EnvelopeContext(
                vaultIdentity: identity, environment: environments[0], name: name, contentType: contentType)
            return try keys.seal(
                plaintext, type: .cachedCopy, generation: clock.wall * 1_000, context: context, random: random)
        } catch {
            throw .internalError("a vault's own file could not be sealed")
        }
    }

    /// - Returns: nil for anything but what `seal` gave for the same vault, name and content type.
    package func open(_ sealed: [UInt8], identity: [UInt8], name: [UInt8], contentType: String) -> Secret? {
        for environment in environments {
            guard
                let context = try? EnvelopeContext(
                    vaultIdentity: identity, environment: environment, name: name, contentType: contentType),
                let opened = try? keys.open(sealed, type: .cachedCopy, context: context)
            else { continue }
            return opened
        }
        return nil
    }
}
