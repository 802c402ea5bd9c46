package import CofferCore
internal import COpenSSL

/// Signatures by an RSA key, as JSON Web Tokens have them (RS256: RFC 7518, 3.3).
package enum RSASignature {
    /// Why there is no signature.
    package enum Fault: Error, Equatable, Sendable {
        /// No private RSA key of at most 8192 bits in PEM form, without a password.
        case badKey
        /// OpenSSL did not sign.
        case failed
    }

    /// PKCS #1 v1.5 with SHA-256.
    ///
    /// - Parameter key: PEM, PKCS #8 or PKCS #1.
    package static func rs256(of message: [UInt8], key: Secret) throws(Fault) -> [UInt8] {
        var size: Int32 = -1
        var signature = [UInt8](count: Int(COFFER_RSA_BYTES)) { out in
            let start = out.assumingMemoryBound(to: UInt8.self).baseAddress!
            size = key.withUnsafeBytes { key in
                message.withUnsafeBytes { message in
                    coffer_sign_rs256(key.baseAddress, key.count, message.baseAddress, message.count, start)
                }
            }
        }
        guard size > 0 else { throw size == 0 ? .badKey : .failed }
        signature.removeLast(signature.count - Int(size))
        return signature
    }
}
