import CofferCore
import CofferHTTP
import CofferVaultConformance
import CofferVaultKit
import Testing

@testable import CofferAWS

/// Where credentials are looked for, and what is made of hostile sources.
@Suite struct AWSCredentialTests {
    private let clock = ManualClock()

    private struct Found: Equatable {
        var id: String
        var token: String?
        var expires: WallMilliseconds?
    }

    private func find(
        _ variables: [String: String], files: [String: String] = [:], profile: String? = nil,
        _ rule: @escaping @Sendable (AWSPlace, HTTPRequest, Int) throws(HTTPError) -> HTTPResponse = {
            _, _, _ throws(HTTPError) in
            throw HTTPError(.refused, isUnsent: true)
        }
    ) async throws(Failure) -> Found {
        let dependencies = AWSDependencies(
            ["HOME": "/h", "AWS_REGION": "us-east-1"].merging(variables) { $1 }, files: files, clock: clock
        ) { place in
            AWSScript { request, number throws(HTTPError) in try rule(place, request, number) }
        }
        let corrected = AWSClock(clock)
        let transports = AWSTransports(dependencies)
        let finder = AWSCredentialFinder(
            profile: profile, dependencies: dependencies,
            tokens: AWSTokenService(
                region: "us-east-1", origin: HTTPOrigin(isSecure: true, host: "sts.us-east-1.amazonaws.com", port: 443),
                transports: transports, clock: corrected, vault: "cloud"),
            local: AWSLocalCredentials(
                dependencies: dependencies, transports: transports, clock: corrected, vault: "cloud"),
            vault: "cloud")
        let found = try await finder.find(deadline: clock.boot + .seconds(30))
        return Found(
            id: found.accessKeyID, token: found.sessionToken.flatMap(\.text), expires: found.expiresAt)
    }

    private func refuses(
        _ text: String, _ variables: [String: String], files: [String: String] = [:], profile: String? = nil,
        _ rule: @escaping @Sendable (AWSPlace, HTTPRequest, Int) throws(HTTPError) -> HTTPResponse = {
            _, _, _ throws(HTTPError) in
            throw HTTPError(.refused, isUnsent: true)
        }
    ) async {
        let failure = await #expect(throws: Failure.self) {
            try await find(variables, files: files, profile: profile, rule)
        }
        #expect(failure?.message.contains(text) == true, "\(failure?.message ?? "nothing")")
        #expect(failure?.vault == "cloud")
    }

    // MARK: Environment and files

    @Test func environment() async throws {
        let keys = ["AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "s"]
        #expect(try await find(keys) == Found(id: "AKIA1"))
        let session = keys.merging(["AWS_SESSION_TOKEN": "t", "AWS_SECURITY_TOKEN": ""]) { $1 }
        #expect(try await find(session) == Found(id: "AKIA1", token: "t"))
        let legacy = session.merging(["AWS_SECURITY_TOKEN": "old", "AWS_CREDENTIAL_EXPIRATION": "2026-01-02T03:04:05Z"])
        { $1 }
        #expect(try await find(legacy) == Found(id: "AKIA1", token: "old", expires: 1_767_323_045_000))
        await refuses("AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY", ["AWS_ACCESS_KEY_ID": "AKIA1"])
        await refuses("characters that no key has", ["AWS_ACCESS_KEY_ID": "AK IA", "AWS_SECRET_ACCESS_KEY": "s"])
        await refuses("characters that no key has", keys.merging(["AWS_SESSION_TOKEN": "a\nb"]) { $1 })
        await refuses("AWS_CREDENTIAL_EXPIRATION", keys.merging(["AWS_CREDENTIAL_EXPIRATION": "soon"]) { $1 })
    }

    @Test func profilesOfBothFiles() async throws {
        let files = [
            "/h/.aws/credentials": """
            # a comment
            [default]
            aws_access_key_id = AKIADEFAULT
            aws_secret_access_key=with=equals
            [work]\r
            aws_access_key_id = AKIAWORK\r
            aws_secret_access_key = s\r
            aws_session_token = t\r
            """,
            "/h/.aws/config": """
            [default]
            region = eu-west-1
            [profile work]
            aws_access_key_id = COVERED
            s3 =
              max_concurrent_requests = 20
            [profile "two words"]
            AWS_ACCESS_KEY_ID = AKIATWO
            aws_secret_access_key = s
            [services x]
            """,
        ]
        #expect(try await find([:], files: files) == Found(id: "AKIADEFAULT"))
        #expect(try await find(["AWS_PROFILE": "work"], files: files) == Found(id: "AKIAWORK", token: "t"))
        #expect(
            try await find(["AWS_PROFILE": "default", "AWS_DEFAULT_PROFILE": "two words"], files: files)
                == Found(id: "AKIATWO"))
        // A profile of the configuration passes the environment over; one of the environment does not.
        let keys = ["AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "s"]
        #expect(try await find(keys, files: files, profile: "work") == Found(id: "AKIAWORK", token: "t"))
        #expect(try await find(keys.merging(["AWS_PROFILE": "work"]) { $1 }, files: files) == Found(id: "AKIAENV"))
        let moved = ["AWS_SHARED_CREDENTIALS_FILE": "/x", "AWS_CONFIG_FILE": "~/y"]
        #expect(
            try await find(
                moved,
                files: ["/x": "[default]\naws_access_key_id=AKIAX\n", "/h/y": "[default]\naws_secret_access_key=s"])
                == Found(id: "AKIAX"))
    }

    @Test func profilesThatAreWrong() async {
        let path = "/h/.aws/config"
        await refuses("the AWS profile \"gone\" is in neither file", ["AWS_PROFILE": "gone"])
        await refuses("(a name of 100 bytes)", ["AWS_PROFILE": String(repeating: "x", count: 100)])
        for (text, line) in [
            ("key = value", 1), ("[default]\nsecret-without-sign", 2), ("\n[open", 2), ("[ ]", 1), ("[a]\n= x", 2),
            ("  x", 1),
        ] {
            await refuses(
                "\(path): line \(line): expected [section], name = value, or a comment", [:], files: [path: text])
        }
        await refuses("without aws_secret_access_key", [:], files: [path: "[default]\naws_access_key_id = AKIA"])
        for member in ["sso_session", "sso_start_url", "login_session", "credential_process"] {
            await refuses("has only \(member), which is not supported", [:], files: [path: "[default]\n\(member) = x"])
        }
        await refuses("at most 1048576 are read", [:], files: [path: String(repeating: "#", count: (1 << 20) + 1)])
    }

    @Test func nothingAnywhere() async throws {
        await refuses("none found", [:])
        // Nobody was asked, so what is cached is as good as before.
        let failure = await #expect(throws: Failure.self) { try await find(["AWS_EC2_METADATA_DISABLED": "true"]) }
        #expect(failure?.effects.mayServeStale == true)
        await refuses("switched off by AWS_EC2_METADATA_DISABLED", ["AWS_EC2_METADATA_DISABLED": "true"])
    }

    // MARK: Roles

    private static func granted(_ action: String, id: String = "ASIAROLE", expires: String = "2027-01-15T09:00:00Z")
        -> HTTPResponse
    {
        HTTPResponse.aws(
            200,
            """
            <?xml version="1.0"?>
            <\(action)Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
              <\(action)Result><Credentials><AccessKeyId>\(id)</AccessKeyId><SecretAccessKey>a&amp;b</SecretAccessKey>
              <SessionToken>tok/en==</SessionToken><Expiration>\(expires)</Expiration></Credentials></\(action)Result>
              <ResponseMetadata/>
            </\(action)Response>
            """)
    }

    private let role = Found(id: "ASIAROLE", token: "tok/en==", expires: 1_800_003_600_000)

    @Test func webIdentity() async throws {
        let variables = [
            "AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_ROLE_ARN": "arn:aws:iam::1:role/r",
            "AWS_ROLE_SESSION_NAME": "me",
        ]
        let found = try await find(variables, files: ["/token": "jwt.a+b\n"]) { place, request, _ in
            #expect(
                place == AWSPlace(.service, HTTPOrigin(isSecure: true, host: "sts.us-east-1.amazonaws.com", port: 443)))
            #expect(
                request.sentText
                    == "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=me&WebIdentityToken=jwt.a%2Bb"
            )
            #expect(request.sent("authorization") == nil)
            return Self.granted("AssumeRoleWithWebIdentity")
        }
        #expect(found == role)
        await refuses("without AWS_ROLE_ARN", ["AWS_WEB_IDENTITY_TOKEN_FILE": "/token"])
        await refuses("the web identity token file is not there", variables)
        await refuses("expected 1 to 20000", variables, files: ["/token": String(repeating: "x", count: 20_001)])
        await refuses(
            "role session name", variables.merging(["AWS_ROLE_SESSION_NAME": "a b"]) { $1 }, files: ["/token": "t"])
    }

    @Test func assumedRoleOfAProfile() async throws {
        let files = [
            "/h/.aws/config": """
            [default]
            role_arn = arn:role
            source_profile = middle
            external_id = ext
            duration_seconds = 900
            [profile middle]
            role_arn = arn:middle
            source_profile = base
            role_session_name = mid
            [profile base]
            aws_access_key_id = AKIABASE
            aws_secret_access_key = s
            """
        ]
        let found = try await find([:], files: files) { _, request, number in
            let isFirst = number == 1
            #expect(
                request.sent("authorization")?.contains(isFirst ? "Credential=AKIABASE/" : "Credential=ASIAMIDDLE/")
                    == true)
            #expect(request.sent("authorization")?.contains("/us-east-1/sts/aws4_request") == true)
            #expect(
                request.sentText.contains(isFirst ? "RoleArn=arn%3Amiddle&RoleSessionName=mid" : "RoleArn=arn%3Arole"))
            if !isFirst { #expect(request.sentText.hasSuffix("&DurationSeconds=900&ExternalId=ext")) }
            return Self.granted("AssumeRole", id: isFirst ? "ASIAMIDDLE" : "ASIAROLE")
        }
        #expect(found == role)
    }

    @Test(arguments: ["Environment", "EcsContainer", "Ec2InstanceMetadata"])
    func roleWithACredentialSource(_ source: String) async throws {
        let variables = [
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/creds", "AWS_ACCESS_KEY_ID": "AKIAENV",
            "AWS_SECRET_ACCESS_KEY": "s",
        ]
        let files = ["/h/.aws/config": "[profile p]\nrole_arn = arn:role\ncredential_source = \(source)"]
        // The profile is named by the configuration, so the environment's keys do not come first.
        let found = try await find(variables, files: files, profile: "p") { place, request, _ in
            guard place.kind == .local else {
                #expect(
                    request.sent("authorization")?.contains(
                        "Credential=\(source == "Environment" ? "AKIAENV" : "ASIALOCAL")/") == true)
                return Self.granted("AssumeRole")
            }
            return Self.local(request)
        }
        #expect(found == role)
    }

    @Test func rolesThatAreWrong() async {
        func config(_ text: String) -> [String: String] { ["/h/.aws/config": "[default]\nrole_arn = arn:r\n" + text] }
        await refuses("mfa_serial", [:], files: config("source_profile = x\nmfa_serial = y"))
        await refuses(
            "both source_profile and credential_source", [:],
            files: config("source_profile = x\ncredential_source = Environment"))
        await refuses("the source_profile of \"default\" is not there", [:], files: config("source_profile = gone"))
        await refuses("name each other in a circle", [:], files: config("source_profile = default"))
        await refuses(
            "name each other in a circle", [:],
            files: config("source_profile = b\n[profile b]\nrole_arn = arn:b\nsource_profile = default"))
        await refuses(
            "expected Environment, EcsContainer or Ec2InstanceMetadata", [:], files: config("credential_source = Magic")
        )
        await refuses("without source_profile, credential_source or web_identity_token_file", [:], files: config(""))
        let base = "source_profile = b\n[profile b]\naws_access_key_id = A\naws_secret_access_key = s"
        for duration in ["899", "43201", "x"] {
            await refuses(
                "duration_seconds: expected 900 to 43200", [:], files: config("duration_seconds = \(duration)\n" + base)
            )
        }
    }

    @Test(arguments: [
        (
            400, "<ErrorResponse><Error><Code>InvalidIdentityToken</Code></Error></ErrorResponse>",
            "check the role's ARN, its trust policy"
        ),
        (
            403, "<ErrorResponse><Error><Code>IDPRejectedClaim</Code></Error></ErrorResponse>",
            "check the role's ARN, its trust policy"
        ),
        (
            400, "<ErrorResponse><Error><Code>ExpiredTokenException</Code></Error></ErrorResponse>",
            "has expired; check its source"
        ),
        (
            403, "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code></Error></ErrorResponse>",
            "the source credentials are not accepted"
        ),
        (503, "", "AWS token service: AssumeRoleWithWebIdentity failed (HTTP status 503)"),
        (200, "", "is not what the token service gives"), (200, "<a>", "is not what the token service gives"),
        (200, "<AssumeRoleWithWebIdentityResponse/>", "is not what the token service gives"),
        (200, String(repeating: "<a>", count: 5_000), "is not what the token service gives"),
        (200, "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", "is not what the token service gives"),
    ])
    func tokenServiceRefuses(_ status: Int, _ body: String, _ text: String) async {
        await refuses(text, ["AWS_WEB_IDENTITY_TOKEN_FILE": "/t", "AWS_ROLE_ARN": "arn:r"], files: ["/t": "jwt"]) {
            _, _, _ in
            HTTPResponse.aws(status, body)
        }
    }

    @Test func anExpirationThatIsNoTimeIsRefused() async {
        await refuses(
            "is not what the token service gives", ["AWS_WEB_IDENTITY_TOKEN_FILE": "/t", "AWS_ROLE_ARN": "arn:r"],
            files: ["/t": "jwt"]
        ) { _, _, _ in Self.granted("AssumeRoleWithWebIdentity", expires: "soon") }
    }

    // MARK: Container and instance

    private static let json =
        #"{"Code":"Success","AccessKeyId":"ASIALOCAL","SecretAccessKey":"s","Token":"t","Expiration":"2027-01-15T09:00:00Z"}"#

    private static func local(_ request: HTTPRequest) -> HTTPResponse {
        switch (request.method, request.path) {
        case (.put, "/latest/api/token"):
            request.sent("x-aws-ec2-metadata-token-ttl-seconds") == "21600"
                ? HTTPResponse.aws(200, "TOKEN") : HTTPResponse.aws(400, "")
        case (.get, "/creds"): HTTPResponse.aws(200, json)
        case _ where request.sent("x-aws-ec2-metadata-token") != "TOKEN": HTTPResponse.aws(401, "")
        case (.get, "/latest/meta-data/iam/security-credentials/"): HTTPResponse.aws(200, "my-role\n")
        case (.get, "/latest/meta-data/iam/security-credentials/my-role"): HTTPResponse.aws(200, json)
        default: HTTPResponse.aws(404, "")
        }
    }

    private let localFound = Found(id: "ASIALOCAL", token: "t", expires: 1_800_003_600_000)

    @Test func container() async throws {
        let relative = [
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/creds", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "plain",
        ]
        let first = try await find(relative) { place, request, _ in
            #expect(place == AWSPlace(.local, HTTPOrigin(isSecure: false, host: "169.254.170.2", port: 80)))
            #expect(request.sent("authorization") == "plain")
            return Self.local(request)
        }
        #expect(first == localFound)
        let full = [
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://[fd00:ec2::23]:81/creds",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "plain",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/token",
        ]
        let second = try await find(full, files: ["/token": "from-file\n"]) { place, request, number in
            #expect(place == AWSPlace(.local, HTTPOrigin(isSecure: false, host: "fd00:ec2::23", port: 81)))
            #expect(request.sent("authorization") == "from-file")
            return number < 3 ? HTTPResponse.aws(500, "") : Self.local(request)
        }
        #expect(second == localFound)
    }

    @Test func containersThatAreWrong() async {
        for uri in [
            "http://example.com/", "http://169.254.170.3/", "ftp://localhost/", "http://u@localhost/",
            "http://127.0.0.1.evil/", "http://localhost:0/", "x",
        ] {
            await refuses(
                "AWS_CONTAINER_CREDENTIALS_FULL_URI: expected https", ["AWS_CONTAINER_CREDENTIALS_FULL_URI": uri])
        }
        let uri = ["AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/creds"]
        await refuses("expected a path that begins with /", ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "@evil/"])
        await refuses(
            "names a file that is not there", uri.merging(["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/gone"]) { $1 })
        for token in ["a\nb", "a\r\nX-Header: b", "a\n\n"] {
            await refuses(
                "expected one line of printable ASCII",
                uri.merging(["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/t"]) { $1 }, files: ["/t": token])
        }
        for answer in [
            "", "{}", "[]", #"{"AccessKeyId":"A"}"#, #"{"AccessKeyId":"A","SecretAccessKey":"s","Expiration":5}"#,
        ] {
            await refuses("gave none (HTTP status 200)", uri) { _, _, _ in HTTPResponse.aws(200, answer) }
        }
        await refuses("cannot connect to", uri)
    }

    /// No duration comes from what is no number of seconds.
    @Test(arguments: ["nan", "-nan", "inf", "-inf", "1e999", "soon", "-5", "1e300"])
    func anyTimeoutOfTheMetadataDoes(text: String) async throws {
        let found = try await find(["AWS_METADATA_SERVICE_TIMEOUT": text]) { _, request, _ in Self.local(request) }
        #expect(found == localFound)
    }

    @Test func instance() async throws {
        let first = try await find([:]) { place, request, _ in
            #expect(place == AWSPlace(.local, HTTPOrigin(isSecure: false, host: "169.254.169.254", port: 80)))
            return Self.local(request)
        }
        #expect(first == localFound)
        for variables in [["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"], ["AWS_IMDS_USE_IPV6": "true"]] {
            _ = try await find(variables) { place, request, _ in
                #expect(place.origin.host == "fd00:ec2::254")
                return Self.local(request)
            }
        }
    }

    @Test func instancesThatAreWrong() async {
        for status in [400, 403, 404, 405] {
            await refuses("did not give a token (version 2) (HTTP status \(status))", [:]) { _, _, _ in
                HTTPResponse.aws(status, "")
            }
        }
        await refuses("a token (version 2)", [:]) { _, _, _ in HTTPResponse.aws(200, "a\nb") }
        for list in ["", "\n", "../evil", "a b", String(repeating: "r", count: 200)] {
            await refuses("did not give the role's name", [:]) { _, request, _ in
                request.method == .put ? HTTPResponse.aws(200, "TOKEN") : HTTPResponse.aws(200, list)
            }
        }
        await refuses("did not give the role's credentials (HTTP status 200)", [:]) { _, request, number in
            number < 3
                ? Self.local(request)
                : HTTPResponse.aws(200, #"{"Code":"AssumeRoleUnauthorizedAccess","Message":"no"}"#)
        }
        await refuses("AWS_EC2_METADATA_SERVICE_ENDPOINT: expected", ["AWS_EC2_METADATA_SERVICE_ENDPOINT": "nonsense"])
    }
}
