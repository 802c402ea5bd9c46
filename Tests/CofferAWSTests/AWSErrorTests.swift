import CofferCore
import CofferHTTP
import CofferVault
import Testing

@testable import CofferAWS

/// Every row of the service's errors, by name first.
@Suite struct AWSErrorTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var name: String
        var code: StatusCode
        var retryable = false
        var message = ""
        var status = 400
        var testDescription: String { "\(name) \(status)" }
    }

    static let rows: [Row] =
        [
            Row(name: "InvalidRequestException", code: .failedPrecondition, message: "managed by another service"),
            Row(name: "LimitExceededException", code: .resourceExhausted),
        ]
        + ["InvalidParameterException", "ValidationException", "InvalidNextTokenException", "SerializationException"]
        .map { Row(name: $0, code: .invalidArgument) }
        + [
            "EncryptionFailure", "DecryptionFailure", "MalformedPolicyDocumentException", "PreconditionNotMetException",
            "PublicPolicyException",
        ].map { Row(name: $0, code: .failedPrecondition) }
        + ["AccessDeniedException", "AccessDenied"].map { Row(name: $0, code: .permissionDenied) }
        + [
            "UnrecognizedClientException", "InvalidClientTokenId", "MissingAuthenticationToken", "IncompleteSignature",
            "InvalidSignatureException", "SignatureDoesNotMatch", "ExpiredTokenException", "ExpiredToken",
        ].map { Row(name: $0, code: .unauthenticated) }
        + [
            "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException", "RequestThrottled",
            "TooManyRequestsException", "RequestLimitExceeded", "BandwidthLimitExceeded",
            "ProvisionedThroughputExceededException", "TransactionInProgressException", "SlowDown",
            "PriorRequestNotComplete", "EC2ThrottledException",
        ].map { Row(name: $0, code: .resourceExhausted, retryable: true) }
        + ["RequestTimeout", "RequestTimeoutException"].map { Row(name: $0, code: .deadlineExceeded, retryable: true) }
        + ["InternalServiceError", "InternalFailure"].flatMap {
            [
                Row(name: $0, code: .internal, retryable: true),
                Row(name: $0, code: .internal, retryable: true, status: 500),
            ]
        }
        // Without a name that is known: by status.
        + [
            (400, .invalidArgument, false), (401, .unauthenticated, false), (403, .permissionDenied, false),
            (404, .unavailable, true), (408, .deadlineExceeded, true), (413, .invalidArgument, false),
            (429, .resourceExhausted, true), (500, .internal, true), (502, .unavailable, true),
            (503, .unavailable, true),
            (504, .deadlineExceeded, true), (509, .resourceExhausted, true), (302, .unavailable, true),
            (200_000, .unavailable, true),
        ].map { (status: Int, code: StatusCode, retryable: Bool) in
            Row(name: "Unheard", code: code, retryable: retryable, status: status)
        }

    @Test(arguments: rows)
    func isToldAs(_ row: Row) async throws {
        let fixture = AWSFixture()
        let vault = try fixture.vault()
        let mark = "arn:aws:iam::123456789012:user/raw"
        // Twice: some are asked again once.
        for _ in 0..<2 {
            fixture.fake.plan("GetSecretValue", refusal: row.name, message: row.message + mark, status: row.status)
        }
        let failure = await #expect(throws: Failure.self) {
            try await vault.read(try fixture.key(), deadline: fixture.deadline)
        }
        let found = try #require(failure)
        #expect(found.code == row.code)
        #expect(found.retryable == row.retryable)
        #expect(found.vault == "cloud" && found.message.hasPrefix("AWS Secrets Manager: "))
        #expect(!found.message.contains(mark) && found.message.count > 40)
    }

    @Test(arguments: [
        ("ResourceNotFoundException", ""), ("InvalidRequestException", "the secret is Scheduled for deletion"),
        ("InvalidRequestException", "it was marked for deletion"), ("InvalidRequestException", "marked deleted"),
    ])
    func absenceIsAValue(_ name: String, _ message: String) async throws {
        let fixture = AWSFixture()
        fixture.fake.plan("GetSecretValue", refusal: name, message: message)
        #expect(try await fixture.vault().read(try fixture.key(), deadline: fixture.deadline) == nil)
    }

    @Test(
        arguments: [
            (#"{"__type":"com.amazonaws.secretsmanager#ThrottlingException:http://x/","message":"m"}"#, [:]),
            (#"{"__type":"Unheard"}"#, ["x-amzn-query-error": "ThrottlingException;Sender"]),
            ("", ["x-amzn-errortype": "ThrottlingException:"]),
            ("<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>", [:]),
        ] as [(String, HTTPFields)])
    func readsTheName(_ body: String, _ headers: HTTPFields) {
        #expect(AWSRefusal(HTTPResponse.aws(400, body, headers: headers)).kind == .throttled)
    }

    @Test(arguments: ["", "{", "null", "[1]", #"{"__type":1}"#, #"{"__type":":::"}"#, "<a><b></a>", "\u{0}"])
    func readsHostileRefusals(_ body: String) {
        #expect(AWSRefusal(HTTPResponse.aws(400, body)).kind == .badParameter)
    }

    @Test(arguments: [
        "Client sent an HTTP request to an HTTPS server.\n", "<center>The plain HTTP request was sent to HTTPS port</center>",
    ])
    func plainHTTPToAPortWithTLSIsNamed(_ body: String) async throws {
        let fixture = AWSFixture()
        fixture.fake.plan("GetSecretValue", .response(HTTPResponse.aws(400, body)))
        let failure = await #expect(throws: Failure.self) {
            try await fixture.vault().read(try fixture.key(), deadline: fixture.deadline)
        }
        #expect(failure?.code == .failedPrecondition && failure?.reason == .vaultRefused)
        // It says nothing of the record: what is cached stands in.
        #expect(failure?.effects.mayServeStale == true)
        #expect(
            failure?.message
                == "AWS Secrets Manager: the endpoint's port expects TLS and got plain http; write https://, or correct the proxy "
                    + "before it if it is https already")
    }

    @Test func aServerThatBreaksPlainHTTPOffMayExpectTLS() {
        for cause in [HTTPError.Cause.interrupted, .malformed, .refused] {
            for isSecure in [true, false] {
                let failure = Failure.aws(
                    HTTPError(cause, isUnsent: false), service: "s", vault: "v", writing: false, isSecure: isSecure)
                #expect(failure.message.hasSuffix("write https://") == (!isSecure && cause != .refused))
            }
        }
    }

    @Test func obeysRetryAfter() {
        let kinds = ["7", "99999999", "Fri, 02 Jan 2026 03:04:05 GMT", "-1"].map {
            AWSRefusal(FakeSecretsManager.refusal("Throttling", headers: ["retry-after": $0])).retryAfter
        }
        #expect(kinds == [7_000, 3_600_000, 0, 0])
    }

    @Test(
        arguments: [
            (.deadline, .deadlineExceeded, .deadline, true), (.cancelled, .cancelled, .cancelled, false),
            (.unresolved, .unavailable, .vaultUnreachable, true), (.refused, .unavailable, .vaultUnreachable, true),
            (.interrupted, .unavailable, .vaultUnreachable, true),
            // By these two the pool and the cache know a vault that cannot prove who it is.
            (.untrusted, .failedPrecondition, .vaultUnreachable, false),
            (.plaintext, .failedPrecondition, .vaultUnreachable, false),
            (.forbidden("plain HTTP"), .failedPrecondition, .vaultUnreachable, false),
            (.tooLarge(limit: 5), .unavailable, .vaultFailed, false), (.malformed, .unavailable, .vaultUnreachable, true),
            (.closed, .unavailable, .draining, true),
        ] as [(HTTPError.Cause, StatusCode, Failure.Reason, Bool)])
    func noAnswerIsToldAs(
        _ cause: HTTPError.Cause, _ code: StatusCode, _ reason: Failure.Reason, _ retryable: Bool
    ) async throws {
        for isUnsent in [true, false] {
            let fixture = AWSFixture()
            fixture.fake.plan("GetSecretValue", .error(HTTPError(cause, isUnsent: isUnsent)))
            let vault = try fixture.vault()
            let failure = await #expect(throws: Failure.self) {
                try await vault.read(try fixture.key(), deadline: fixture.deadline)
            }
            #expect(failure?.code == code && failure?.reason == reason)
            #expect(failure?.retryable == retryable && failure?.isUnsent == isUnsent)
        }
    }

    // MARK: Asking again

    @Test func correctsTheClockOnceAndKeepsTheOffset() async throws {
        let fixture = AWSFixture()
        let vault = try fixture.vault()
        // The fixture's clock stands at 1_800_000_000: 2027-01-15T08:00:00Z.
        let ahead: HTTPFields = ["date": "Fri, 15 Jan 2027 09:00:00 GMT"]
        fixture.fake.plan(
            "GetSecretValue", refusal: "InvalidSignatureException", message: "Signature expired", headers: ahead)
        #expect(try await vault.read(try fixture.key(), deadline: fixture.deadline) == nil)
        #expect(try await vault.read(try fixture.key(), deadline: fixture.deadline) == nil)
        #expect(
            fixture.fake.requests.map { $0.sent("x-amz-date") } == [
                "20270115T080000Z", "20270115T090000Z", "20270115T090000Z",
            ])
    }

    @Test(
        arguments: [
            [:], ["date": "Fri, 15 Jan 2027 08:00:30 GMT"], ["date": "nonsense"],
        ] as [HTTPFields])
    func aRightClockIsNotCorrected(_ headers: HTTPFields) async throws {
        let fixture = AWSFixture()
        let vault = try fixture.vault()
        fixture.fake.plan("GetSecretValue", refusal: "SignatureDoesNotMatch", headers: headers)
        let failure = await #expect(throws: Failure.self) {
            try await vault.read(try fixture.key(), deadline: fixture.deadline)
        }
        #expect(failure?.code == .unauthenticated && fixture.fake.calls.count == 1)
    }

    @Test func signsAgainOnlyOnce() async throws {
        let fixture = AWSFixture()
        let vault = try fixture.vault()
        for hour in ["09", "10"] {
            fixture.fake.plan(
                "GetSecretValue", refusal: "RequestExpired", headers: ["date": "Fri, 15 Jan 2027 \(hour):00:00 GMT"])
        }
        let failure = await #expect(throws: Failure.self) {
            try await vault.read(try fixture.key(), deadline: fixture.deadline)
        }
        #expect(failure?.code == .unauthenticated && fixture.fake.calls.count == 2)
    }

    @Test func refreshesExpiredCredentialsOnce() async throws {
        for times in [1, 2] {
            let fixture = AWSFixture()
            let vault = try fixture.vault()
            for _ in 0..<times { fixture.fake.plan("GetSecretValue", refusal: "ExpiredTokenException") }
            do throws(Failure) {
                let found = try await vault.read(try fixture.key(), deadline: fixture.deadline)
                #expect(found == nil && times == 1)
            } catch {
                #expect(times == 2 && error.code == .unauthenticated)
            }
            #expect(fixture.fake.calls.count == 2)
        }
    }

    @Test func signsWhatItSends() async throws {
        let fixture = AWSFixture()
        let vault = try fixture.vault(testVariables.merging(["AWS_SESSION_TOKEN": "token/1"]) { $1 })
        _ = try await vault.read(try fixture.key(), deadline: fixture.deadline)
        let request = try #require(fixture.fake.requests.first)
        #expect(request.method == .post && request.path == "/" && request.origin == nil)
        #expect(request.sent("content-type") == "application/x-amz-json-1.1")
        #expect(request.sent("x-amz-target") == "secretsmanager.GetSecretValue")
        #expect(request.sent("x-amz-security-token") == "token/1")
        #expect(request.sentText == #"{"SecretId":"ai2-connectors/user123/conn456"}"#)
        #expect(
            request.sent("authorization")?.contains(
                "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target") == true)
    }
}
