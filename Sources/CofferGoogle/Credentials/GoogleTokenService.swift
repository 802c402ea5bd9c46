internal import CofferCore
internal import CofferCrypto
internal import CofferHTTP
internal import CofferVaultKit

/// Google's servers that give tokens: OAuth, the token service (STS), and IAM Credentials.
struct GoogleTokenService: Sendable {
    /// Of every assertion, whatever address the file names: google-auth has it so.
    private static let audience = "https://oauth2.googleapis.com/token"
    /// Seconds that an assertion is good for, the most that Google accepts.
    private static let lifetime: UInt64 = 3_600
    private static let maximumSubjectBytes = 65_536

    let transports: CloudTransports
    /// Of the configured token endpoint.
    let tokenOrigin: HTTPOrigin?
    let clock: any Clock
    let vault: String

    /// A JSON Web Token that the account's key has signed (RFC 7523).
    ///
    /// - Throws: FAILED_PRECONDITION for a key that cannot sign.
    func assertion(_ account: GoogleCredentialsFile.ServiceAccount, path: String) throws(Failure) -> Secret {
        var header: [(name: String, value: JSON)] = [("typ", .string("JWT"))]
        if let keyID = account.keyID { header.append(("kid", .string(keyID))) }
        let now = clock.wall / 1_000
        let claims: [(name: String, value: JSON)] = [
            ("iss", .string(account.email)), ("scope", .string(GoogleLogin.scope)), ("aud", .string(Self.audience)),
            ("iat", .integer(now)), ("exp", .integer(now + Self.lifetime)),
        ]
        do throws(RSASignature.Fault) {
            return try JSONWebToken.signed(.rs256, header: header, claims: claims, key: account.key)
        } catch {
            throw Failure(
                .failedPrecondition, .vaultRefused,
                "credentials_file: \(path): private_key is no RSA key in PEM form; download the key again", vault: vault,
                isUnsent: true)
        }
    }

    // MARK: Calls

    /// A token by a grant of OAuth 2 (RFC 6749, 7523, 8693).
    func token(
        at url: HTTPURL, _ form: [(name: String, value: Secret)], quotaProject: String?, deadline: BootInstant
    ) async throws(Failure) -> GoogleToken {
        let request = HTTPRequest(
            .post, url.path, headers: [HTTPHeader("Content-Type", "application/x-www-form-urlencoded")],
            body: PercentEncoding.form(form))
        let answer = try await ask(request, of: url.origin, kind: kind(of: url.origin), "the token server", deadline)
        guard let token = Self.token(answer, quotaProject, clock.wall) else { throw garbled("the token server") }
        return token
    }

    /// - Returns: nil for what is no answer with a token.
    static func token(_ answer: JSON, _ quotaProject: String?, _ now: WallMilliseconds) -> GoogleToken? {
        // Some servers write the number as a text.
        let seconds = answer["expires_in"]?.integer ?? answer["expires_in"]?.text.flatMap { Int64($0) }
        return GoogleToken(answer["access_token"]?.secret, seconds: seconds, quotaProject: quotaProject, now: now)
    }

    /// A token of a service account, for one of somebody who may have it.
    func impersonate(
        at url: HTTPURL, with token: GoogleToken, seconds: Int64, deadline: BootInstant
    ) async throws(Failure) -> GoogleToken {
        let body = JSON.object([
            ("scope", .array([.string(GoogleLogin.scope)])), ("lifetime", .string("\(seconds)s")),
        ])
        let request = HTTPRequest(
            .post, url.path,
            headers: [HTTPHeader("Authorization", token.authorization), HTTPHeader("Content-Type", "application/json")],
            body: body.encode())
        let answer = try await ask(request, of: url.origin, kind: kind(of: url.origin), "IAM Credentials", deadline)
        guard let expires = answer["expireTime"]?.text.flatMap(Timestamp.milliseconds(of:)),
            let token = GoogleToken(answer["accessToken"]?.secret, expiresAt: expires, quotaProject: token.quotaProject)
        else { throw garbled("IAM Credentials") }
        return token
    }

    /// What the source of the other issuer's tokens answers.
    func subject(at url: HTTPURL, _ headers: [HTTPHeader], deadline: BootInstant) async throws(Failure) -> Secret {
        let response = try await send(
            HTTPRequest(.get, url.path, headers: headers), of: url.origin, kind: kind(of: url.origin),
            "credential_source.url", deadline)
        guard response.status == 200 else { throw refused(response, "credential_source.url") }
        guard (1...Self.maximumSubjectBytes).contains(response.body.count) else { throw garbled("credential_source.url") }
        return response.body
    }

    /// What is by plain http is on this host or link, or the token endpoint.
    private func kind(of origin: HTTPOrigin) -> CloudPlace.Kind {
        if origin == tokenOrigin { return .tokenEndpoint }
        return origin.isSecure ? .tokens : .local
    }

    private func ask(
        _ request: HTTPRequest, of origin: HTTPOrigin, kind: CloudPlace.Kind, _ service: String, _ deadline: BootInstant
    ) async throws(Failure) -> JSON {
        let response = try await send(request, of: origin, kind: kind, service, deadline)
        guard response.status == 200 else { throw refused(response, service) }
        guard let answer = try? JSON.parse(response.body), answer.members != nil else { throw garbled(service) }
        return answer
    }

    private func send(
        _ request: HTTPRequest, of origin: HTTPOrigin, kind: CloudPlace.Kind, _ service: String, _ deadline: BootInstant
    ) async throws(Failure) -> HTTPResponse {
        let transport = try transports.transport(to: CloudPlace(kind, origin))
        do {
            return try await transport.send(request, deadline: deadline)
        } catch {
            throw .google(
                error, service: "Google credentials: \(service)", at: "its address in the credentials file", vault: vault,
                writing: false, isSecure: origin.isSecure)
        }
    }

    // MARK: Refusals

    /// OAuth's `error` is one of a few words; IAM answers as other services of Google's do.
    private func refused(_ response: HTTPResponse, _ service: String) -> Failure {
        let word = (try? JSON.parse(answer: response.body))?["error"]?.text
        let isTransient =
            [408, 429, 500, 502, 503, 504].contains(response.status)
            || ["internal_failure", "server_error", "temporarily_unavailable"].contains(word)
        guard !isTransient else {
            return Failure(
                .unavailable, .vaultUnreachable,
                "Google credentials: \(service) gave no token (HTTP status \(response.status))", vault: vault,
                retryable: true, retryAfterMilliseconds: response.retryAfterMilliseconds)
        }
        let advice =
            switch word {
            case "invalid_grant":
                "the grant is not accepted; check that the key, login or pool provider exists and is enabled, and this host's clock"
            case "invalid_client", "unauthorized_client": "the client is not accepted; log in again, or download the key again"
            case "invalid_target", "invalid_request":
                "the exchange is not accepted; check audience, subject_token_type and the issuer of the workload's token"
            default: "check the credentials, and that the account may use IAM Credentials where it impersonates another one"
            }
        return .googleCredentials("\(service) refused (HTTP status \(response.status)): \(advice)", vault: vault)
    }

    private func garbled(_ service: String) -> Failure {
        .googleCredentials(
            "the answer of \(service) has no token in it; check which server is at its address", vault: vault,
            code: .unavailable, retryable: true)
    }
}
