internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit

/// Credentials that the platform lays out for what runs on it: the container
/// endpoint of ECS and EKS, and the instance metadata of EC2 (version 2 only).
struct AWSLocalCredentials: Sendable {
    let dependencies: AWSDependencies
    let transports: AWSTransports
    let clock: AWSClock
    let vault: String

    // MARK: Container

    static let containerHosts: Set = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23", "localhost"]
    private static let relative = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
    private static let full = "AWS_CONTAINER_CREDENTIALS_FULL_URI"

    var hasContainer: Bool { dependencies.text(Self.relative) != nil || dependencies.text(Self.full) != nil }

    func container(deadline: BootInstant) async throws(Failure) -> AWSCredentials {
        let url = try containerURL()
        let transport = try transports.transport(to: AWSPlace(.local, url.origin))
        let response = try await attempt(3, deadline, "the container's credential endpoint") { () async throws(Failure) in
            // Read again each time: the platform replaces it.
            var headers = [HTTPHeader("Accept", "application/json")]
            if let token = try await containerToken(deadline) { headers.append(HTTPHeader("Authorization", token)) }
            return (transport, HTTPRequest(.get, url.path, headers: headers), Duration.seconds(2))
        }
        guard response.status == 200, let credentials = Self.decode(response) else {
            throw .awsCredentials(
                "the container's credential endpoint gave none (HTTP status \(response.status)); check the task's or "
                    + "pod's role and AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", vault: vault,
                retryable: response.status >= 500)
        }
        return credentials
    }

    private func containerURL() throws(Failure) -> HTTPURL {
        if let path = dependencies.text(Self.relative) {
            guard path.hasPrefix("/"), let url = HTTPURL("http://169.254.170.2" + path) else {
                throw .awsCredentials("\(Self.relative): expected a path that begins with /", vault: vault)
            }
            return url
        }
        guard let url = dependencies.text(Self.full).flatMap(HTTPURL.init),
            url.origin.isSecure || url.origin.isLoopback || Self.containerHosts.contains(url.origin.host)
        else {
            throw .awsCredentials(
                "\(Self.full): expected https, or http to this host, 169.254.170.2, 169.254.170.23 or [fd00:ec2::23]",
                vault: vault)
        }
        return url
    }

    private func containerToken(_ deadline: BootInstant) async throws(Failure) -> Secret? {
        var token = dependencies.secret("AWS_CONTAINER_AUTHORIZATION_TOKEN")
        var place = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
        if let path = dependencies.text("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
            guard let content = try await dependencies.fileLater(path, deadline) else {
                throw .awsCredentials(
                    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names a file that is not there", vault: vault)
            }
            token = content.withoutLineEnd
            place = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
        }
        guard token.map({ $0.isHeaderValue() }) ?? true else {
            throw .awsCredentials("\(place): expected one line of printable ASCII", vault: vault)
        }
        return token
    }

    // MARK: Instance

    private static let roles = "/latest/meta-data/iam/security-credentials/"

    func instance(deadline: BootInstant) async throws(Failure) -> AWSCredentials {
        let transport = try transports.transport(to: AWSPlace(.local, try instanceOrigin()))
        let attempts = dependencies.text("AWS_METADATA_SERVICE_NUM_ATTEMPTS").flatMap { Int($0) } ?? 1
        let timeout = dependencies.text("AWS_METADATA_SERVICE_TIMEOUT").flatMap(Self.seconds) ?? 1
        func ask(_ request: HTTPRequest, _ what: String) async throws(Failure) -> HTTPResponse {
            let response = try await attempt(min(max(attempts, 1), 10), deadline, "the instance metadata service") {
                () async throws(Failure) in (transport, request, Duration.seconds(min(max(timeout, 0.1), 60)))
            }
            guard response.status == 200 else { throw refused(response.status, what) }
            return response
        }
        let token = try await ask(
            HTTPRequest(
                .put, "/latest/api/token", headers: [HTTPHeader("x-aws-ec2-metadata-token-ttl-seconds", "21600")]),
            "a token (version 2)")
        guard (1...1024).contains(token.body.count), token.body.isHeaderValue() else {
            throw refused(token.status, "a token (version 2)")
        }
        let headers = [HTTPHeader("x-aws-ec2-metadata-token", token.body)]
        let list = try await ask(HTTPRequest(.get, Self.roles, headers: headers), "the role's name")
        guard let role = list.body.text?.split(whereSeparator: \.isNewline).first,
            (1...128).contains(role.utf8.count),
            role.utf8.allSatisfy({ $0.isASCIILetterOrDigit || "_+=,.@-".utf8.contains($0) })
        else { throw refused(list.status, "the role's name") }
        let answer = try await ask(HTTPRequest(.get, Self.roles + role, headers: headers), "the role's credentials")
        guard let credentials = Self.decode(answer) else { throw refused(answer.status, "the role's credentials") }
        return credentials
    }

    /// - Returns: nil for what is no number of seconds, "nan" among it: no duration comes from that.
    static func seconds(_ text: String) -> Double? { Double(text).flatMap { $0.isFinite ? $0 : nil } }

    private func instanceOrigin() throws(Failure) -> HTTPOrigin {
        if let text = dependencies.text("AWS_EC2_METADATA_SERVICE_ENDPOINT") {
            guard let url = HTTPURL(text), url.path == "/" else {
                throw .awsCredentials(
                    "AWS_EC2_METADATA_SERVICE_ENDPOINT: expected http://host[:port] without a path", vault: vault)
            }
            return url.origin
        }
        let isIPv6 =
            dependencies.text("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")?.lowercased() == "ipv6"
            || dependencies.isTrue("AWS_IMDS_USE_IPV6")
        return HTTPOrigin(isSecure: false, host: isIPv6 ? "fd00:ec2::254" : "169.254.169.254", port: 80)
    }

    private func refused(_ status: Int, _ what: String) -> Failure {
        .awsCredentials(
            "the instance metadata service did not give \(what) (HTTP status \(status)); check that the instance has a "
                + "role, and that version 2 is enabled", vault: vault, retryable: status >= 500)
    }

    // MARK: Both

    /// The members that both have; nil also for a 200 that tells of a failure.
    private static func decode(_ response: HTTPResponse) -> AWSCredentials? {
        guard let body = try? JSON.parse(response.body), (body["Code"]?.text ?? "Success") == "Success" else {
            return nil
        }
        var expires: WallMilliseconds?
        if let text = body["Expiration"], !text.isNull {
            guard let time = text.text.flatMap(Timestamp.milliseconds(of:)) else { return nil }
            expires = time
        }
        return .checked(
            body["AccessKeyId"]?.secret, body["SecretAccessKey"]?.secret, body["Token"]?.secret, expiresAt: expires)
    }

    /// Repeats what got no answer, or one of the server's faults, after a second.
    private func attempt(
        _ attempts: Int, _ deadline: BootInstant, _ service: String,
        _ make: () async throws(Failure) -> (any HTTPTransport, HTTPRequest, timeout: Duration)
    ) async throws(Failure) -> HTTPResponse {
        var left = attempts
        while true {
            left -= 1
            let (transport, request, timeout) = try await make()
            do throws(HTTPError) {
                let response = try await transport.send(request, deadline: min(deadline, clock.boot + timeout))
                if response.status < 500 || left == 0 { return response }
            } catch {
                guard left > 0, error.cause != .cancelled, clock.boot + .seconds(1) < deadline else {
                    throw .aws(error, service: service, vault: vault, writing: false)
                }
            }
            await dependencies.pause(.seconds(1))
        }
    }
}
