/// The first 84 bytes of a sealed record, in clear. Layout: ENVELOPE.md.
struct EnvelopeHeader: Equatable {
    static let byteCount = 84
    /// The part that enters key derivation: everything before the salt.
    static let prefixByteCount = 20
    static let saltByteCount = 32
    static let salt = prefixByteCount..<prefixByteCount + saltByteCount
    static let commitment = salt.upperBound..<byteCount
    /// "CFR" and a byte that no UTF-8 text holds.
    static let magic: [UInt8] = [0x43, 0x46, 0x52, 0xf1]
    static let formatVersion: UInt8 = 1
    /// HKDF-SHA-256, AES-256-GCM, 32-byte commitment. 2 is reserved for ChaCha20-Poly1305.
    static let suite: UInt8 = 1

    let type: RecordType
    let term: UInt32
    let generation: UInt64

    init(type: RecordType, term: UInt32, generation: UInt64) {
        self.type = type
        self.term = term
        self.generation = generation
    }

    /// Reads the header of `sealed`, which has at least 84 bytes.
    init(reading sealed: [UInt8]) throws(OpenFailure) {
        guard sealed.starts(with: Self.magic) else { throw .magic }
        guard sealed[4] == Self.formatVersion else { throw .version }
        guard sealed[5] == Self.suite else { throw .suite }
        guard let type = RecordType(rawValue: sealed[6]) else { throw .type }
        guard sealed[7] == 0 else { throw .flags }
        self.init(type: type, term: Self.integer(in: sealed, at: 8), generation: Self.integer(in: sealed, at: 12))
    }

    private static func integer<T: FixedWidthInteger & UnsignedInteger>(in bytes: [UInt8], at offset: Int) -> T {
        bytes[offset..<offset + MemoryLayout<T>.size].reduce(0) { $0 << 8 | T($1) }
    }

    /// Writes the first 20 bytes.
    func writePrefix(to writer: inout ByteWriter) {
        writer.append(Self.magic)
        writer.append(bigEndian: Self.formatVersion)
        writer.append(bigEndian: Self.suite)
        writer.append(bigEndian: type.rawValue)
        writer.append(bigEndian: UInt8(0))
        writer.append(bigEndian: term)
        writer.append(bigEndian: generation)
    }
}

/// Why an envelope did not open. Never told to callers.
package enum OpenFailure: Error, Hashable, Sendable, CaseIterable {
    case size, magic, version, suite, type, flags, term, commitment, tag, padding
}
