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

    static let block = 64
    static let minimumBytes = sealedByteCount(plaintext: 0)
    static let maximumBytes = sealedByteCount(plaintext: maximumPlaintextBytes)

    /// The longest plaintext whose envelope has at most so many bytes; below 0 if there is none.
    package static func maximumPlaintextBytes(sealed bytes: Int) -> Int {
        (bytes - EnvelopeHeader.byteCount - AEADContext.tagBytes) / block * block - 4
    }

    static func paddedByteCount(plaintext: Int) -> Int { (4 + plaintext + block - 1) / block * block }

    static func sealedByteCount(plaintext: Int) -> Int {
        EnvelopeHeader.byteCount + paddedByteCount(plaintext: plaintext) + AEADContext.tagBytes
    }

    // MARK: Sealing

    /// - Parameters:
    ///   - count: the size of the plaintext.
    ///   - plaintext: writes it.
    ///   - key: the 32-byte key of `header.term`.
    ///   - salt: 32 random bytes.
    static func seal(
        count: Int, _ plaintext: (inout SecretWriter) -> Void, key: Secret, header: EnvelopeHeader,
        salt: [UInt8], context: EnvelopeContext
    ) throws(CryptoError) -> [UInt8] {
        guard count <= maximumPlaintextBytes else { throw .plaintextTooLarge(bytes: count) }
        precondition(salt.count == EnvelopeHeader.saltByteCount, "a 32-byte salt")
        let padded = SecretWriter.build(count: paddedByteCount(plaintext: count)) {
            $0.append(UInt32(count))
            plaintext(&$0)
            precondition($0.written == 4 + count, "a plaintext of the size that was said")
        }
        return AssociatedData.lend(context, for: header.type) { associated in
            associated.writeHeader(header, salt: salt)
            let keys = RecordKeys(of: key, associated)
            keys.writeCommitment(to: associated)
            return [UInt8](count: sealedByteCount(plaintext: count)) { out in
                out.copyMemory(from: associated.header)
                padded.withUnsafeBytes { padded in
                    keys.withKeyAndNonce { key, nonce in
                        AEADContext().seal(
                            padded, key: key, nonce: nonce, associated: associated.bytes,
                            into: UnsafeMutableRawBufferPointer(rebasing: out[EnvelopeHeader.byteCount...]))
                    }
                }
            }
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
        let padded: Result<Secret, OpenFailure> = AssociatedData.lend(context, for: header.type) { associated in
            associated.copyHeader(of: sealed)
            let keys = RecordKeys(of: key, associated)
            guard keys.isCommitted(by: associated) else { return .failure(.commitment) }
            guard let padded = decrypt(sealed, associated, keys) else { return .failure(.tag) }
            return .success(padded)
        }
        return try removePadding(try padded.get())
    }

    /// Nil if the tag says that it is not what was sealed.
    private static func decrypt(
        _ sealed: [UInt8], _ associated: borrowing AssociatedData, _ keys: RecordKeys
    ) -> Secret? {
        var isOpen = false
        let padded = Secret(count: sealed.count - EnvelopeHeader.byteCount - AEADContext.tagBytes) { padded in
            isOpen = sealed.withUnsafeBytes { sealed in
                keys.withKeyAndNonce { key, nonce in
                    AEADContext().open(
                        UnsafeRawBufferPointer(rebasing: sealed[EnvelopeHeader.byteCount...]), key: key,
                        nonce: nonce, associated: associated.bytes, into: padded)
                }
            }
        }
        return isOpen ? padded : nil
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

/// The header and behind it the encoded context: what is authenticated. It lives
/// for one use.
private struct AssociatedData: ~Copyable {
    private let memory: UnsafeMutableRawBufferPointer

    /// Lends one with the context in it, on the stack if it is small. The header is
    /// the borrower's to write.
    static func lend<R>(
        _ context: EnvelopeContext, for type: RecordType, _ body: (borrowing AssociatedData) -> R
    ) -> R {
        let size = EnvelopeHeader.byteCount + context.encodedByteCount
        return withUnsafeTemporaryAllocation(byteCount: size, alignment: 8) { memory in
            var writer = ByteWriter(UnsafeMutableRawBufferPointer(rebasing: memory[EnvelopeHeader.byteCount...]))
            context.write(for: type, to: &writer)
            return body(AssociatedData(memory: memory))
        }
    }

    private init(memory: UnsafeMutableRawBufferPointer) { self.memory = memory }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(memory) }
    var header: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[..<EnvelopeHeader.byteCount]) }
    var prefix: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[..<EnvelopeHeader.prefixByteCount])
    }
    var salt: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[EnvelopeHeader.salt]) }
    var commitment: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: memory[EnvelopeHeader.commitment])
    }
    var context: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[EnvelopeHeader.byteCount...]) }

    /// All of the header but the commitment.
    func writeHeader(_ header: EnvelopeHeader, salt: [UInt8]) {
        var writer = ByteWriter(memory)
        header.writePrefix(to: &writer)
        writer.append(salt)
    }

    func copyHeader(of sealed: [UInt8]) {
        sealed.withUnsafeBytes {
            memory.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<EnvelopeHeader.byteCount]))
        }
    }
}

/// The keys of one record: 32 bytes key, 32 commitment, 12 nonce.
private struct RecordKeys {
    private static let label = Array("coffer.envelope.keys.v1".utf8)
    private let material: Secret

    /// - Parameter associated: with prefix, salt and context.
    init(of key: Secret, _ associated: borrowing AssociatedData) {
        let size = Self.label.count + EnvelopeHeader.prefixByteCount + Digest.byteCount
        let (prefix, salt, context) = (associated.prefix, associated.salt, associated.context)
        material = withUnsafeTemporaryAllocation(byteCount: size, alignment: 8) { info in
            var writer = ByteWriter(info)
            writer.append(Self.label)
            writer.append(prefix)
            Digest.sha256(context, into: UnsafeMutableRawBufferPointer(rebasing: info[writer.count...]))
            return KeyDerivation.hkdf(key, salt: salt, info: UnsafeRawBufferPointer(info), count: 32 + 32 + 12)
        }
    }

    /// Public: it stands in the header.
    func writeCommitment(to associated: borrowing AssociatedData) {
        let commitment = associated.commitment
        material.withUnsafeBytes { commitment.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[32..<64])) }
    }

    /// Compares in a time that does not depend on where they differ.
    func isCommitted(by associated: borrowing AssociatedData) -> Bool {
        let commitment = associated.commitment.baseAddress!
        return material.withUnsafeBytes { CRYPTO_memcmp($0.baseAddress! + 32, commitment, 32) == 0 }
    }

    func withKeyAndNonce<R>(_ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> R) -> R {
        material.withUnsafeBytes {
            body(UnsafeRawBufferPointer(rebasing: $0[..<32]), UnsafeRawBufferPointer(rebasing: $0[64..<76]))
        }
    }
}
