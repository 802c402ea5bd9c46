internal import COpenSSL
internal import CofferCore

/// A sealed record: header, padded and encrypted plaintext, tag.
///
/// Every record has keys of its own, derived from the term's key, a random salt,
/// the header and the context, so there is no nonce to repeat; a commitment in
/// the header makes sure that no ciphertext opens under two keys. ENVELOPE.md has
/// the exact bytes. ``KeyRing`` chooses the term's key.
package enum Envelope {
    /// 1 MiB for the credential and 64 KiB for what is kept with it.
    package static let maximumPlaintextBytes = 1 << 20 + 64 << 10
    /// How many bytes sealing adds, at most.
    package static let maximumOverheadBytes = EnvelopeHeader.byteCount + 4 + (block - 1) + AEADContext.tagBytes

    static let block = 64
    static let minimumBytes = sealedByteCount(plaintext: 0)
    static let maximumBytes = sealedByteCount(plaintext: maximumPlaintextBytes)

    static func paddedByteCount(plaintext: Int) -> Int { (4 + plaintext + block - 1) / block * block }

    static func sealedByteCount(plaintext: Int) -> Int {
        EnvelopeHeader.byteCount + paddedByteCount(plaintext: plaintext) + AEADContext.tagBytes
    }

    // MARK: Sealing

    /// - Parameter key: the 32-byte key of `header.term`.
    static func seal(
        _ plaintext: Secret, key: Secret, header: EnvelopeHeader, context: EnvelopeContext
    ) throws(CryptoError) -> [UInt8] {
        guard plaintext.count <= maximumPlaintextBytes else {
            throw .plaintextTooLarge(bytes: plaintext.count)
        }
        let encodedContext = context.encoded(for: header.type)
        let keys = RecordKeys(of: key, header: header, context: encodedContext)
        var clear = header.prefix
        clear.append(contentsOf: header.salt)
        keys.appendCommitment(to: &clear)
        let associated = clear + encodedContext
        let padded = SecretWriter.build(count: paddedByteCount(plaintext: plaintext.count)) {
            $0.append(UInt32(plaintext.count))
            $0.append(plaintext)
        }
        let total = sealedByteCount(plaintext: plaintext.count)
        return [UInt8](unsafeUninitializedCapacity: total) { out, count in
            _ = out.initialize(from: clear)
            let body = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(out)[clear.count..<total])
            padded.withUnsafeBytes { padded in
                associated.withUnsafeBytes { associated in
                    keys.withKeyAndNonce { key, nonce in
                        AEADContext().seal(padded, key: key, nonce: nonce, associated: associated, into: body)
                    }
                }
            }
            count = total
        }
    }

    // MARK: Opening

    /// The header of `sealed`, if its size is one that a sealed record can have.
    static func header(of sealed: [UInt8]) throws(OpenFailure) -> EnvelopeHeader {
        guard (minimumBytes...maximumBytes).contains(sealed.count),
            (sealed.count - minimumBytes).isMultiple(of: block)
        else { throw .size }
        return try EnvelopeHeader(reading: sealed)
    }

    /// - Parameters:
    ///   - header: that of `sealed`.
    ///   - key: the 32-byte key of `header.term`.
    static func open(
        _ sealed: [UInt8], header: EnvelopeHeader, key: Secret, context: EnvelopeContext
    ) throws(OpenFailure) -> Secret {
        let encodedContext = context.encoded(for: header.type)
        let keys = RecordKeys(of: key, header: header, context: encodedContext)
        let clear = Array(sealed[..<EnvelopeHeader.byteCount])
        guard keys.commits(to: clear) else { throw .commitment }
        let padded = try decrypt(sealed, associated: clear + encodedContext, keys)
        return try removePadding(padded)
    }

    private static func decrypt(
        _ sealed: [UInt8], associated: [UInt8], _ keys: RecordKeys
    ) throws(OpenFailure) -> Secret {
        let count = sealed.count - EnvelopeHeader.byteCount - AEADContext.tagBytes
        return try Secret(count: count) { padded throws(OpenFailure) in
            let opened = sealed.withUnsafeBytes { sealed in
                associated.withUnsafeBytes { associated in
                    keys.withKeyAndNonce { key, nonce in
                        AEADContext().open(
                            UnsafeRawBufferPointer(rebasing: sealed[EnvelopeHeader.byteCount...]), key: key,
                            nonce: nonce, associated: associated, into: padded)
                    }
                }
            }
            guard opened else { throw .tag }
        }
    }

    private static func removePadding(_ padded: Secret) throws(OpenFailure) -> Secret {
        try padded.withUnsafeBytes { bytes throws(OpenFailure) in
            let length = UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self))
            guard length <= maximumPlaintextBytes, paddedByteCount(plaintext: Int(length)) == bytes.count else {
                throw .padding
            }
            let end = 4 + Int(length)
            guard bytes[end...].allSatisfy({ $0 == 0 }) else { throw .padding }
            return Secret(copying: UnsafeRawBufferPointer(rebasing: bytes[4..<end]))
        }
    }
}

/// The keys of one record: 32 bytes key, 32 commitment, 12 nonce.
private struct RecordKeys {
    private static let label = Array("coffer.envelope.keys.v1".utf8)
    private let material: Secret

    init(of key: Secret, header: EnvelopeHeader, context: [UInt8]) {
        var info: [UInt8] = []
        info.reserveCapacity(Self.label.count + EnvelopeHeader.prefixByteCount + Digest.byteCount)
        info.append(contentsOf: Self.label)
        header.appendPrefix(to: &info)
        info.append(contentsOf: Digest.sha256(context))
        material = KeyDerivation.hkdf(key, salt: header.salt, info: info, count: 32 + 32 + 12)
    }

    /// Public: it stands in the header.
    func appendCommitment(to bytes: inout [UInt8]) {
        material.withUnsafeBytes { bytes.append(contentsOf: $0[32..<64]) }
    }

    /// Compares in a time that does not depend on where they differ.
    func commits(to header: [UInt8]) -> Bool {
        material.withUnsafeBytes { material in
            header.withUnsafeBytes { CRYPTO_memcmp(material.baseAddress! + 32, $0.baseAddress! + 52, 32) == 0 }
        }
    }

    func withKeyAndNonce<R>(_ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> R) -> R {
        material.withUnsafeBytes {
            body(UnsafeRawBufferPointer(rebasing: $0[..<32]), UnsafeRawBufferPointer(rebasing: $0[64..<76]))
        }
    }
}
