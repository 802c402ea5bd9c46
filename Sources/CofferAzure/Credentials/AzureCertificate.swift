internal import CofferCore
internal import CofferCrypto
internal import CofferVaultKit

/// The file with an application's certificate and key, PEM, which signs what the application logs in with.
struct AzureCertificate: Sendable {
    private static let begin = "-----BEGIN CERTIFICATE-----"
    /// Seconds that an assertion is good for.
    private static let lifetime: UInt64 = 600

    private let key: Secret
    private let password: Secret?
    /// In base64, the application's own first.
    private let chain: [String]
    private let digest: [UInt8]

    /// - Throws: what is wrong with the file, for a message.
    init(_ content: Secret, password: Secret?) throws(Fault) {
        guard PEM.hasCertificates(content) else {
            throw Fault("it has no certificate in PEM form; convert a .pfx file by: openssl pkcs12 -in FILE -out FILE.pem")
        }
        if password == nil, !PEM.isKey(content, of: content) {
            throw Fault(
                "its private key is missing, is not that of its first certificate, or needs a password, which is "
                    + "AZURE_CLIENT_CERTIFICATE_PASSWORD")
        }
        chain = Self.certificates(in: content)
        guard let first = chain.first,
            let bytes = Base64.bytes(JSONString(Secret(first)), limit: 65_536)
        else { throw Fault("its first certificate cannot be read") }
        digest = Digest.sha256(bytes)
        key = content
        self.password = password
    }

    struct Fault: Error {
        let text: String
        init(_ text: String) { self.text = text }
    }

    /// A JSON Web Token that the key has signed (RFC 7523).
    ///
    /// - Parameters:
    ///   - id: another one each time, 16 bytes.
    ///   - sendsChain: with the certificates themselves, for applications that trust a name and its authority.
    /// - Throws: for a key that cannot sign.
    func assertion(
        for client: String, at audience: String, id: [UInt8], now: WallMilliseconds, sendsChain: Bool
    ) throws(RSASignature.Fault) -> Secret {
        var header: [(name: String, value: JSON)] = [("typ", .string("JWT")), ("x5t#S256", .string(Base64URL.text(digest)))]
        if sendsChain { header.append(("x5c", .array(chain.map { .string($0) }))) }
        let now = now / 1_000
        return try JSONWebToken.signed(
            .ps256, header: header,
            claims: [
                ("aud", .string(audience)), ("iss", .string(client)), ("sub", .string(client)),
                ("jti", .string(Self.uuid(id))), ("nbf", .integer(now)), ("exp", .integer(now + Self.lifetime)),
            ], key: key, password: password)
    }

    private static func uuid(_ bytes: [UInt8]) -> String {
        let digits = Array(Hex.text(bytes))
        return [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(digits[$0]) }.joined(separator: "-")
    }

    /// What stands between the lines, which is no secret; nothing else of the file is looked at.
    private static func certificates(in content: Secret) -> [String] {
        var found: [String] = []
        var inside: String?
        let begin = Array(Self.begin.utf8)
        content.withBytes { bytes in
            var start = 0
            for offset in 0...bytes.byteCount where offset == bytes.byteCount || bytes.byte(at: offset) == UInt8(ascii: "\n") {
                defer { start = offset + 1 }
                let line = bytes.extracting(start..<offset)
                guard let sofar = inside else {
                    if line.byteCount >= begin.count, line.extracting(0..<begin.count).isEqual(to: begin) { inside = "" }
                    continue
                }
                let text = line.text?.filter { $0 != "\r" && $0 != " " } ?? ""
                if text.hasPrefix("-----END") { found.append(sofar) }
                inside = text.hasPrefix("-----END") ? nil : sofar + text
            }
        }
        return found
    }
}
