internal import CofferCore

/// CRC-32C (Castagnoli, RFC 3720 appendix B.4): the checksum that Secret Manager keeps of a payload.
enum CRC32C {
    /// By byte, of the reflected polynomial 0x1EDC6F41.
    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { sum, _ in sum & 1 == 1 ? sum >> 1 ^ 0x82F6_3B78 : sum >> 1 }
    }

    static func checksum(_ bytes: Secret) -> UInt32 { bytes.withBytes { checksum($0) } }

    static func checksum(_ bytes: RawSpan) -> UInt32 {
        var sum = UInt32.max
        for offset in 0..<bytes.byteCount {
            sum = sum >> 8 ^ table[Int(UInt8(truncatingIfNeeded: sum) ^ bytes.byte(at: offset))]
        }
        return ~sum
    }
}
