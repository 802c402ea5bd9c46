package import CofferCore
internal import COpenSSL

/// What a text in PEM form holds, by OpenSSL's own reading.
package enum PEM {
    /// One certificate or more, all of which decode.
    package static func hasCertificates(_ text: Secret) -> Bool {
        text.withUnsafeBytes { coffer_count_certificates($0.baseAddress, $0.count) > 0 }
    }

    /// A private key that needs no password.
    package static func hasPrivateKey(_ text: Secret) -> Bool {
        text.withUnsafeBytes { coffer_has_private_key($0.baseAddress, $0.count) }
    }

    /// Whether the private key is that of the first of the certificates.
    package static func isKey(_ key: Secret, of certificates: Secret) -> Bool {
        key.withUnsafeBytes { key in
            certificates.withUnsafeBytes { coffer_is_key_of(key.baseAddress, key.count, $0.baseAddress, $0.count) }
        }
    }
}
