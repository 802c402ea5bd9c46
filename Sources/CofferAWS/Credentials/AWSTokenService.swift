internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit

/// The token service (STS): temporary credentials of a role.
struct AWSTokenService: Sendable {
    /// Seconds that credentials of a role may last.
    static let durations = 900...43_200
    static let maximumTokenBytes = 20_000

    let region: String
    let origin: HTTPOrigin
    let transports: AWSTransports
    let clock: AWSClock
    let vault: String

    /// A role, as a profile or the environment names it.
    struct Role: Sendable {
        var arn: String
        var session: String?
        var externalID: Secret?
        var seconds: Int?
    }

    /// AssumeRole, signed with the credentials of who may do so.
    func assume(
        _ role: Role, with source: AWSCredentials, deadline: BootInstant
    ) async throws(Failure) -> AWSCredentials {
        var form = try form("AssumeRole", role)
        if let id = role.externalID { form.append(("ExternalId", id)) }
        return try await ask(PercentEncoding.form(form), "AssumeRole", source, deadline)
    }

    /// AssumeRoleWithWebIdentity, which needs no signature.
    func assume(_ role: Role, webIdentity token: Secret, deadline: BootInstant) async throws(Failure) -> AWSCredentials
    {
        guard (1...Self.maximumTokenBytes).contains(token.count) else {
            throw .awsCredentials(
                "the web identity token has \(token.count) bytes, expected 1 to \(Self.maximumTokenBytes)", vault: vault
            )
        }
        let form = try form("AssumeRoleWithWebIdentity", role) + [("WebIdentityToken", token)]
        return try await ask(PercentEncoding.form(form), "AssumeRoleWithWebIdentity", nil, deadline)
    }

    private func form(_ action: String, _ role: Role) throws(Failure) -> [(name: String, value: Secret)] {
        let session = role.session ?? "coffer-\(clock.now / 1000)"
        guard (2...64).contains(session.utf8.count),
            session.utf8.allSatisfy({ $0.isASCIILetterOrDigit || "_+=,.@-".utf8.contains($0) })
        else {
            throw .awsCredentials(
                "role session name: expected 2 to 64 of the characters A-Z a-z 0-9 _ + = , . @ -", vault: vault)
        }
        var fields = [
            ("Action", action), ("Version", "2011-06-15"), ("RoleArn", role.arn), ("RoleSessionName", session),
        ]
        if let seconds = role.seconds {
            guard Self.durations.contains(seconds) else {
                throw .awsCredentials("duration_seconds: expected 900 to 43200, got \(seconds)", vault: vault)
            }
            fields.append(("DurationSeconds", String(seconds)))
        }
        return fields.map { (name: $0.0, value: Secret($0.1)) }
    }

    private func ask(
        _ body: Secret, _ action: String, _ source: AWSCredentials?, _ deadline: BootInstant
    ) async throws(Failure) -> AWSCredentials {
        let transport = try transports.transport(to: AWSPlace(.service, origin))
        let first = try await send(body, source, transport, deadline)
        var response = first
        if first.status != 200, source != nil {
            let refusal = AWSRefusal(first)
            if refusal.kind == .signature, clock.correct(by: refusal.date) {
                response = try await send(body, source, transport, deadline)
            }
        }
        guard response.status == 200 else { throw refused(AWSRefusal(response), action) }
        guard let root = try? AWSXML.parse(response.body), root.name == action + "Response",
            let given = root[action + "Result"]?["Credentials"],
            let expires = given["Expiration"]?.text.flatMap(Timestamp.milliseconds(of:)),
            let credentials = AWSCredentials.checked(
                given["AccessKeyId"]?.secret, given["SecretAccessKey"]?.secret, given["SessionToken"]?.secret,
                expiresAt: expires),
            credentials.sessionToken != nil
        else {
            throw .awsCredentials(
                "the answer to \(action) is not what the token service gives; check its endpoint", vault: vault,
                code: .unavailable, retryable: true)
        }
        return credentials
    }

    private func send(
        _ body: Secret, _ source: AWSCredentials?, _ transport: any HTTPTransport, _ deadline: BootInstant
    ) async throws(Failure) -> HTTPResponse {
        let type = "application/x-www-form-urlencoded; charset=utf-8"
        var request = HTTPRequest(.post, "/", headers: [HTTPHeader("Content-Type", type)], body: body)
        if let source {
            request.headers += AWSSignature(region: region, service: AWSEndpoints.Service.tokens.rawValue).headers(
                signing: [("content-type", type), ("host", origin.authority)], body: body, credentials: source,
                at: clock.now)
        }
        do {
            return try await transport.send(request, deadline: deadline)
        } catch {
            throw .aws(
                error, service: "AWS token service", vault: vault, writing: false, isSecure: origin.isSecure)
        }
    }

    private func refused(_ refusal: AWSRefusal, _ action: String) -> Failure {
        switch refusal.kind {
        case .throttled, .timeout, .serverFault, .unavailable, .unclear:
            Failure(
                .unavailable, .vaultUnreachable, "AWS token service: \(action) failed (HTTP status \(refusal.status))",
                vault: vault, retryable: true, retryAfterMilliseconds: refusal.retryAfter)
        case .plainHTTP:
            .awsCredentials(
                "the token service's port expects TLS and got plain http; write https://, or correct the proxy before it", vault: vault,
                code: .failedPrecondition)
        case .expiredCredentials:
            .awsCredentials("\(action) was refused: what it was asked with has expired; check its source", vault: vault)
        case .unauthenticated, .signature:
            .awsCredentials(
                "\(action) was refused: the source credentials are not accepted; check them and this host's clock",
                vault: vault)
        default:
            .awsCredentials(
                "\(action) was refused (HTTP status \(refusal.status)); check the role's ARN, its trust policy, and for web "
                    + "identity the token's issuer, audience and subject", vault: vault)
        }
    }
}
