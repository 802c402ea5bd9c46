internal import COpenSSL
package import CofferCore

/// SHA-256 and HMAC-SHA-256. Digests are 32 bytes.
package enum Digest {
    package static let byteCount = 32

    /// SHA-256 of bytes that are lent.
    package static func sha256(_ bytes: RawSpan) -> [UInt8] {
        bytes.withUnsafeBytes { bytes in
            [UInt8](count: byteCount) { sha256(bytes, into: $0) }
        }
    }

    /// - Parameter out: 32 bytes.
    static func sha256(_ bytes: UnsafeRawBufferPointer, into out: UnsafeMutableRawBufferPointer) {
        precondition(out.count == byteCount, "room for a digest")
        coffer_sha256(bytes.baseAddress, bytes.count, out.assumingMemoryBound(to: UInt8.self).baseAddress!)
    }

    /// SHA-256 of public bytes.
    package static func sha256(_ bytes: [UInt8]) -> [UInt8] { sha256(bytes.span.bytes) }

    /// SHA-256 of secret bytes; what is returned is not secret.
    package static func sha256(_ secret: Secret) -> [UInt8] { secret.withBytes { sha256($0) } }

    /// HMAC-SHA-256 of public bytes; what is returned is not secret.
    package static func hmacSHA256(_ bytes: [UInt8], key: Secret) -> [UInt8] {
        [UInt8](count: byteCount) { hmac(bytes.span.bytes, key: key, into: $0) }
    }

    /// HMAC-SHA-256 as a key of its own: for chains of keys.
    package static func hmacSHA256Key(_ bytes: [UInt8], key: Secret) -> Secret {
        Secret(count: byteCount) { hmac(bytes.span.bytes, key: key, into: $0) }
    }

    private static func hmac(_ bytes: RawSpan, key: Secret, into out: UnsafeMutableRawBufferPointer) {
        HMACKey(key).sum(bytes, into: out)
    }
}
