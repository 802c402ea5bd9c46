package import CofferCore
package import CofferCrypto

/// A JSON Web Token that is signed by an RSA key (RFC 7519), as those who give tokens take for a proof of identity.
package enum JSONWebToken {
    /// - Parameter header: without `alg`.
    /// - Throws: for a key that cannot sign.
    package static func signed(
        _ algorithm: RSASignature.Algorithm, header: [(name: String, value: JSON)], claims: [(name: String, value: JSON)],
        key: Secret, password: Secret? = nil
    ) throws(RSASignature.Fault) -> Secret {
        let header = [(name: "alg", value: JSON.string(algorithm.rawValue))] + header
        let text = "\(part(header)).\(part(claims))"
        let signature = try RSASignature.sign(Array(text.utf8), by: algorithm, key: key, password: password)
        return Secret("\(text).\(Base64URL.text(signature))")
    }

    private static func part(_ members: [(name: String, value: JSON)]) -> String {
        Base64URL.text(JSONString(JSON.object(members).encode()).bytes)
    }
}
