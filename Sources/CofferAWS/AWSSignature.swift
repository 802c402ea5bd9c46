internal import CofferCore
internal import CofferCrypto
internal import CofferHTTP
internal import CofferVaultKit

/// Signature Version 4 for POST requests to "/" without a query: all that the
/// JSON and the form services take. Pure: the time is passed in.
struct AWSSignature: Sendable {
    static let algorithm = "AWS4-HMAC-SHA256"

    /// "us-east-1", …
    let region: String
    /// "secretsmanager", "sts".
    let service: String

    /// What to send beside `headers`: date, session token and signature.
    ///
    /// - Parameters:
    ///   - headers: every header to be signed but those; `host` among them, as
    ///     it will be sent. Names in any case, each once.
    ///   - date: of the server's clock, as far as it is known.
    func headers(
        signing headers: [(name: String, value: String)], body: Secret, credentials: AWSCredentials,
        at date: WallMilliseconds
    ) -> [HTTPHeader] {
        let time = Timestamp.basic(date)
        let scope = "\(time.prefix(8))/\(region)/\(service)/aws4_request"
        let canonical = CanonicalRequest(
            headers: headers + [("x-amz-date", time)], token: credentials.sessionToken, body: body)
        let text = "\(Self.algorithm)\n\(time)\n\(scope)\n\(canonical.digest)"
        let signature = Digest.hmacSHA256(
            Array(text.utf8), key: key(credentials.secretAccessKey, day: String(time.prefix(8))))
        let authorization =
            "\(Self.algorithm) Credential=\(credentials.accessKeyID)/\(scope), "
            + "SignedHeaders=\(canonical.names), Signature=\(Hex.text(signature))"
        var added = [HTTPHeader("X-Amz-Date", time), HTTPHeader("Authorization", authorization)]
        if let token = credentials.sessionToken { added.append(HTTPHeader("X-Amz-Security-Token", token)) }
        return added
    }

    /// The key of one day, region and service.
    private func key(_ secret: Secret, day: String) -> Secret {
        let first = SecretWriter.build(count: 4 + secret.count) { writer in
            writer.append("AWS4")
            writer.append(secret)
        }
        return [day, region, service, "aws4_request"].reduce(first) { key, part in
            Digest.hmacSHA256Key(Array(part.utf8), key: key)
        }
    }
}

/// The request in the form that is signed.
private struct CanonicalRequest {
    /// Signed names in lower case, sorted, with ";" between.
    let names: String
    /// SHA-256 of the whole, in hex.
    let digest: String

    private static let tokenName = "x-amz-security-token"

    init(headers: [(name: String, value: String)], token: Secret?, body: Secret) {
        var lines = headers.map { (name: $0.name.lowercased(), value: Value.text(Self.squeeze($0.value))) }
        if let token { lines.append((Self.tokenName, .secret(token))) }
        lines.sort { $0.name < $1.name }
        let names = lines.map(\.name).joined(separator: ";")
        let tail = "\n\(names)\n\(Hex.text(Digest.sha256(body)))"
        let head = "POST\n/\n\n"
        // The session token is in it, so it lies in memory that is wiped.
        let count = lines.reduce(head.utf8.count + tail.utf8.count) { $0 + $1.name.utf8.count + 2 + $1.value.count }
        let request = SecretWriter.build(count: count) { writer in
            writer.append(head)
            for line in lines {
                writer.append(line.name + ":")
                switch line.value {
                case .text(let text): writer.append(text)
                case .secret(let secret): writer.append(secret)
                }
                writer.append("\n")
            }
            writer.append(tail)
        }
        self.names = names
        digest = Hex.text(Digest.sha256(request))
    }

    private enum Value {
        case text(String)
        case secret(Secret)

        var count: Int {
            switch self {
            case .text(let text): text.utf8.count
            case .secret(let secret): secret.count
            }
        }
    }

    /// Without white space around, and with one space for each run of it.
    private static func squeeze(_ value: String) -> String {
        value.split { $0 == " " || $0 == "\t" || $0 == "\n" || $0 == "\r" }.joined(separator: " ")
    }
}
