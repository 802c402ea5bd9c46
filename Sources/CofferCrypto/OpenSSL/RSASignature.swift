package import CofferCore
internal import COpenSSL

/// Signatures by an RSA key, as JSON Web Tokens have them (RFC 7518, 3.3 and 3.5).
package enum RSASignature {
    /// By the name that a JSON Web Token has for it.
    package enum Algorithm: String, Sendable {
        /// PKCS #1 v1.5 with SHA-256.
        case rs256 = "RS256"
        /// PSS with SHA-256, MGF1 by SHA-256, and a salt of 32 bytes.
        case ps256 = "PS256"
    }

    /// Why there is no signature.
    package enum Fault: Error, Equatable, Sendable {
        /// No private RSA key of at most 8192 bits in PEM form that opens with the password, if one was given.
        case badKey
        /// OpenSSL did not sign.
        case failed
    }

    /// - Parameters:
    ///   - key: PEM, PKCS #8 or PKCS #1; what stands around it does not count.
    ///   - password: of an encrypted key.
    package static func sign(
        _ message: [UInt8], by algorithm: Algorithm, key: Secret, password: Secret? = nil
    ) throws(Fault) -> [UInt8] {
        var size: Int32 = -1
        let password = password ?? SecretWriter.build(count: 0) { _ in }
        let signature = [UInt8](count: Int(COFFER_RSA_BYTES)) { out in
            let start = out.assumingMemoryBound(to: UInt8.self).baseAddress!
            size = key.withUnsafeBytes { key in
                password.withUnsafeBytes { password in
                    message.withUnsafeBytes { message in
                        coffer_sign_rsa_sha256(
                            key.baseAddress, key.count, password.baseAddress, password.count, algorithm == .ps256,
                            message.baseAddress, message.count, start)
                    }
                }
            }
        }
        guard size > 0 else { throw size == 0 ? .badKey : .failed }
        return Array(signature.prefix(Int(size)))
    }
}
