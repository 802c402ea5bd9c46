package import CofferCore

/// The format in which Coffer's predecessor kept credentials in AWS Secrets
/// Manager: `iv:tag:ciphertext` in lower-case hex, AES-256-GCM with a 16-byte IV
/// and no associated data, so nothing binds a value to its record.
///
/// For reading what is there, and for vaults configured to share with the
/// predecessor. Stricter than the predecessor, which took a 4-byte tag and
/// ignored what followed a wrong digit.
package struct LegacyFormat: Sendable {
    private static let salt = Array("salt".utf8)
    private static let ivBytes = 16
    /// Hex digits of IV and tag, and a colon behind each.
    private static let startBytes = 2 * (2 * 16 + 1)

    private let key: Secret
    /// Opens only.
    private let otherKey: Secret?

    /// Derives the key: takes 16 MiB and some tens of milliseconds, so keep the value.
    ///
    /// - Parameter passphrase: what `CREDENTIAL_ENCRYPTION_KEY` said; not empty.
    /// - Throws: `.badKey`, and `.system` without the memory.
    package init(passphrase: Secret) throws(KeyError) {
        key = try Self.derive(passphrase)
        otherKey = nil
    }

    /// The same for a passphrase with a line end at its end, which counts for the
    /// predecessor: it is sealed with, and without it is opened too.
    package init(_ passphrase: Passphrase) throws(KeyError) {
        key = try Self.derive(passphrase.former ?? passphrase.text)
        otherKey = passphrase.former == nil ? nil : try Self.derive(passphrase.text)
    }

    private static func derive(_ passphrase: Secret) throws(KeyError) -> Secret {
        guard passphrase.count > 0 else {
            throw KeyError(.badKey, "the passphrase of the legacy format is empty; set CREDENTIAL_ENCRYPTION_KEY")
        }
        do {
            return try KeyDerivation.scrypt(
                passphrase, salt: salt, costLog2: 14, blockSize: 8, parallelism: 1)
        } catch {
            throw KeyError(.system, "deriving the key of the legacy format needs 16 MiB of memory", isOfHost: true)
        }
    }

    /// Whether `text` has the form: 32 hex digits, 32 more, an even number more.
    package static func recognises(_ text: RawSpan) -> Bool {
        guard text.byteCount >= startBytes, (text.byteCount - startBytes).isMultiple(of: 2) else { return false }
        return (0..<text.byteCount).allSatisfy { index in
            let byte = text.byte(at: index)
            return index == 32 || index == 65 ? byte == UInt8(ascii: ":") : Hex.value(byte) != nil
        }
    }

    /// As the other, for text that is no secret.
    package static func recognises(_ text: [UInt8]) -> Bool { recognises(text.span.bytes) }

    /// - Throws: `.doesNotOpen`, whatever the cause.
    package func open(_ text: [UInt8]) throws(CryptoError) -> Secret {
        guard Self.recognises(text), text.count <= Self.startBytes + 2 * Envelope.maximumPlaintextBytes,
            let iv = Hex.bytes(text[..<32]), let tag = Hex.bytes(text[33..<65]),
            let ciphertext = Hex.bytes(text[66...])
        else { throw .doesNotOpen }
        let sealed = ciphertext + tag
        guard let otherKey else { return try Self.open(sealed, iv, key) }
        do {
            return try Self.open(sealed, iv, key)
        } catch {
            return try Self.open(sealed, iv, otherKey)
        }
    }

    /// - Parameter sealed: ciphertext and tag.
    private static func open(_ sealed: [UInt8], _ iv: [UInt8], _ key: Secret) throws(CryptoError) -> Secret {
        try Secret(count: sealed.count - AEADContext.tagBytes) { plaintext throws(CryptoError) in
            let opened = key.withUnsafeBytes { key in
                iv.withUnsafeBytes { iv in
                    sealed.withUnsafeBytes { sealed in
                        AEADContext(nonceBytes: ivBytes).open(
                            sealed, key: key, nonce: iv, associated: UnsafeRawBufferPointer(start: nil, count: 0),
                            into: plaintext)
                    }
                }
            }
            guard opened else { throw .doesNotOpen }
        }
    }

    /// Writes the form, under a random IV.
    ///
    /// - Throws: `.plaintextTooLarge`.
    package func seal(
        _ plaintext: Secret, random: some RandomSource = SystemRandom()
    ) throws(CryptoError) -> [UInt8] {
        guard plaintext.count <= Envelope.maximumPlaintextBytes else {
            throw .plaintextTooLarge(bytes: plaintext.count)
        }
        let iv = random.bytes(Self.ivBytes)
        var sealed = [UInt8](repeating: 0, count: plaintext.count + AEADContext.tagBytes)
        sealed.withUnsafeMutableBytes { sealed in
            plaintext.withUnsafeBytes { plaintext in
                key.withUnsafeBytes { key in
                    iv.withUnsafeBytes { iv in
                        AEADContext(nonceBytes: Self.ivBytes).seal(
                            plaintext, key: key, nonce: iv, associated: UnsafeRawBufferPointer(start: nil, count: 0),
                            into: sealed)
                    }
                }
            }
        }
        let colon = [UInt8(ascii: ":")]
        return Hex.digits(iv) + colon + Hex.digits(sealed[plaintext.count...]) + colon
            + Hex.digits(sealed[..<plaintext.count])
    }
}
