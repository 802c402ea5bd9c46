/// The first 84 bytes of a sealed record, in clear. Layout: ENVELOPE.md.
struct EnvelopeHeader: Equatable {
    static let byteCount = 84
    /// The part that enters key derivation: everything before the salt.
    static let prefixByteCount = 20
    static let saltByteCount = 32
    static let commitmentByteCount = 32
    /// "CFR" and a byte that no UTF-8 text holds.
    static let magic: [UInt8] = [0x43, 0x46, 0x52, 0xf1]
    static let formatVersion: UInt8 = 1
    /// HKDF-SHA-256, AES-256-GCM, 32-byte commitment. 2 is reserved for ChaCha20-Poly1305.
    static let suite: UInt8 = 1

    var type: RecordType
    var term: UInt32
    var generation: UInt64
    var salt: [UInt8]

    /// Reads the header of `sealed`, which has at least 84 bytes.
    init(reading sealed: [UInt8]) throws(OpenFailure) {
        guard sealed.starts(with: Self.magic) else { throw .magic }
        guard sealed[4] == Self.formatVersion else { throw .version }
        guard sealed[5] == Self.suite else { throw .suite }
        guard let type = RecordType(rawValue: sealed[6]) else { throw .type }
        guard sealed[7] == 0 else { throw .flags }
        self.init(
            type: type, term: sealed.bigEndian(at: 8), generation: sealed.bigEndian(at: 12),
            salt: Array(sealed[20..<52]))
    }

    init(type: RecordType, term: UInt32, generation: UInt64, salt: [UInt8]) {
        precondition(salt.count == Self.saltByteCount, "a 32-byte salt")
        self.type = type
        self.term = term
        self.generation = generation
        self.salt = salt
    }

    /// The first 20 bytes.
    var prefix: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.byteCount)
        appendPrefix(to: &bytes)
        return bytes
    }

    func appendPrefix(to bytes: inout [UInt8]) {
        bytes.append(contentsOf: Self.magic)
        bytes.append(Self.formatVersion)
        bytes.append(Self.suite)
        bytes.append(type.rawValue)
        bytes.append(0)
        bytes.append(bigEndian: term)
        bytes.append(bigEndian: generation)
    }
}

/// Why an envelope did not open. Counted, never told to callers.
package enum OpenFailure: Error, Hashable, Sendable, CaseIterable {
    case size, magic, version, suite, type, flags, term, commitment, tag, padding
}
