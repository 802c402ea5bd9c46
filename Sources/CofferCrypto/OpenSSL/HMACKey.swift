internal import COpenSSL
package import CofferCore

/// A key of HMAC-SHA-256, set up once for many sums.
package struct HMACKey: Sendable {
    /// The hash states behind the padded key.
    private let states: Secret

    package init(_ key: Secret) {
        states = key.withUnsafeBytes { key in
            Secret(count: MemoryLayout<coffer_hmac_key>.size) { states in
                coffer_hmac_set_up(
                    states.assumingMemoryBound(to: coffer_hmac_key.self).baseAddress!, key.baseAddress, key.count)
            }
        }
    }

    /// - Parameter out: at least 32 bytes.
    func sum(_ bytes: RawSpan, into out: UnsafeMutableRawBufferPointer) {
        precondition(out.count >= Digest.byteCount, "room for a digest")
        states.withUnsafeBytes { states in
            bytes.withUnsafeBytes { bytes in
                coffer_hmac_sum(
                    states.assumingMemoryBound(to: coffer_hmac_key.self).baseAddress!, bytes.baseAddress,
                    bytes.count, out.assumingMemoryBound(to: UInt8.self).baseAddress!)
            }
        }
    }

    /// The sum of public bytes, which is not secret.
    package func sum(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        [UInt8](count: Digest.byteCount) { sum(bytes.bytes, into: $0) }
    }
}
