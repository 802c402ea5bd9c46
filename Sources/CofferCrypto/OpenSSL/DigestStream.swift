internal import COpenSSL

/// The SHA-256 of public bytes that come in pieces.
package struct DigestStream {
    private var state = SHA256_CTX()

    package init() { SHA256_Init(&state) }

    package mutating func add(_ bytes: RawSpan) {
        bytes.withUnsafeBytes { _ = SHA256_Update(&state, $0.baseAddress, $0.count) }
    }

    /// Of all that was added: 32 bytes.
    package consuming func finish() -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Digest.byteCount)
        SHA256_Final(&digest, &state)
        return digest
    }
}
