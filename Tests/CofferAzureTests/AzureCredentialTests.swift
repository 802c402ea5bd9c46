import CofferCore
import CofferCrypto
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Synchronization
import Testing

@testable import CofferAzure

/// Ways to log in, and challenges.
@Suite(.timeLimit(.minutes(1))) struct AzureCredentialTests {
    private static let both = TestCertificate.certificate + TestCertificate.key

    private func options(_ change: (inout AzureOptions) -> Void = { _ in }) -> AzureOptions {
        var options = AzureOptions(origin: AzureFixture.origin, tenant: "my-tenant", client: "my-client")
        change(&options)
        return options
    }

    private func login(_ fixture: AzureFixture) async throws -> HTTPRequest {
        try await fixture.vault().check(deadline: fixture.deadline)
        return try #require(fixture.tokens.requests.first)
    }

    private func form(_ request: HTTPRequest) -> [String: String] {
        Dictionary(
            uniqueKeysWithValues: request.sentText.split(separator: "&").map { pair in
                let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                return (String(halves[0]), String(halves[1]))
            })
    }

    // MARK: Applications

    @Test func logsInByASecret() async throws {
        let fixture = AzureFixture()
        let request = try await login(fixture)
        #expect(request.path == "/my-tenant/oauth2/v2.0/token")
        #expect(
            request.sentText
                == "grant_type=client_credentials&client_id=my-client&scope=https%3A%2F%2Fvault.azure.net%2F.default&client_secret=the-secret")
        let authority = HTTPOrigin(isSecure: true, host: "login.microsoftonline.com", port: 443)
        #expect(fixture.seen.places == [CloudPlace(.service, AzureFixture.origin), CloudPlace(.tokens, authority)])
        #expect(fixture.fake.calls == [.get])
    }

    @Test func logsInByAFileThatIsReadAgain() async throws {
        let fixture = AzureFixture(options: options { $0.clientSecretFile = "/secret" }, variables: [:], files: ["/secret": "from a file\n"])
        #expect(form(try await login(fixture))["client_secret"] == "from%20a%20file")
    }

    @Test(arguments: [nil, "hunter2"] as [String?])
    func logsInByACertificate(password: String?) async throws {
        let key = password == nil ? TestCertificate.key : TestCertificate.encryptedKey
        let fixture = AzureFixture(
            options: options { $0.certificateFile = "/app.pem" },
            variables: password.map { ["AZURE_CLIENT_CERTIFICATE_PASSWORD": $0] } ?? [:],
            files: ["/app.pem": key + TestCertificate.certificate])
        let form = form(try await login(fixture))
        #expect(form["client_assertion_type"] == "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer" && form["client_secret"] == nil)
        let parts = try #require(form["client_assertion"]).split(separator: ".").map(String.init)
        #expect(decoded(parts[0]) == #"{"alg":"PS256","typ":"JWT","x5t#S256":"\#(TestCertificate.digest)"}"#)
        let claims = try JSON.parse(Secret(decoded(parts[1])))
        #expect(claims["aud"]?.text == "https://login.microsoftonline.com/my-tenant/oauth2/v2.0/token")
        #expect(claims["iss"]?.text == "my-client" && claims["sub"]?.text == "my-client" && claims["jti"]?.text?.utf8.count == 36)
        #expect(claims["exp"]?.integer == Int64(fixture.manual.wall / 1_000) + 600)
        #expect(Base64URL.bytes(Array(parts[2].utf8)[...])?.count == 256)
    }

    private func decoded(_ part: String) -> String { String(decoding: Base64URL.bytes(Array(part.utf8)[...]) ?? [], as: UTF8.self) }

    @Test func showsItsChainWhereThatIsAsked() async throws {
        let fixture = AzureFixture(
            options: options { $0.certificateFile = "/app.pem" }, variables: ["AZURE_CLIENT_SEND_CERTIFICATE_CHAIN": "true"],
            files: ["/app.pem": Self.both + TestCertificate.ellipticCertificate])
        let assertion = try #require(form(try await login(fixture))["client_assertion"])
        let header = try JSON.parse(Secret(decoded(String(assertion.prefix { $0 != "." }))))
        let chain = header["x5c"]?.elements?.compactMap(\.text) ?? []
        #expect(chain.count == 2)
        #expect(chain.first == TestCertificate.certificate.split(separator: "\n").dropFirst().dropLast().joined())
    }

    @Test(arguments: [
        ("", "no certificate"), (TestCertificate.key, "no certificate"), (TestCertificate.certificate, "private key is missing"),
        (TestCertificate.certificate + TestCertificate.ellipticKey, "private key is missing"),
        (TestCertificate.certificate + TestCertificate.encryptedKey, "AZURE_CLIENT_CERTIFICATE_PASSWORD"),
        (TestCertificate.ellipticCertificate + TestCertificate.ellipticKey, "no private RSA key"),
    ])
    func aFileThatCannotLogInIsFoundAtTheStart(content: String, says: String) {
        let fixture = AzureFixture(options: options { $0.certificateFile = "/app.pem" }, variables: [:], files: ["/app.pem": content])
        let found = failure { () throws(Failure) in try fixture.vault() }
        #expect(found?.code == .failedPrecondition && found?.isUnsent == true)
        #expect(found?.message.contains("certificate_file: /app.pem") == true && found?.message.contains(says) == true, "\(String(describing: found?.message))")
    }

    @Test func aWrongPasswordIsFoundAtTheStart() {
        let fixture = AzureFixture(
            options: options { $0.certificateFile = "/app.pem" }, variables: ["AZURE_CLIENT_CERTIFICATE_PASSWORD": "wrong"],
            files: ["/app.pem": TestCertificate.certificate + TestCertificate.encryptedKey])
        let found = failure { () throws(Failure) in try fixture.vault() }
        #expect(found?.code == .failedPrecondition && found?.message.contains("PASSWORD") == true && found?.message.contains("wrong") == false)
    }

    @Test func logsInByAFederatedToken() async throws {
        let fixture = AzureFixture(options: options { $0.federatedTokenFile = "/token" }, variables: [:], files: ["/token": "a.b.c\n"])
        let form = form(try await login(fixture))
        #expect(form["client_assertion"] == "a.b.c" && form["client_assertion_type"]?.hasSuffix("jwt-bearer") == true)
    }

    /// Microsoft's own order, where all comes by variables; files that are configured come before a variable else.
    @Test func theOrderIsMicrosofts() async throws {
        let files = ["/token": "a.b.c", "/app.pem": Self.both]
        func options(_ prefersFiles: Bool) -> AzureOptions {
            self.options {
                ($0.certificateFile, $0.federatedTokenFile, $0.prefersFiles) = ("/app.pem", "/token", prefersFiles)
            }
        }
        #expect(form(try await login(AzureFixture(options: options(false), files: files)))["client_secret"] == "the-secret")
        #expect(form(try await login(AzureFixture(options: options(true), files: files)))["client_assertion"]?.hasPrefix("eyJhbGciOiJQUzI1Ni") == true)
    }

    @Test func whatIsMissingIsNamed() async throws {
        let noClient = AzureFixture(options: options { $0.client = nil })
        #expect(failure { () throws(Failure) in try noClient.vault() }?.message.contains("AZURE_CLIENT_ID") == true)
        let noFile = AzureFixture(options: options { $0.clientSecretFile = "/absent" })
        #expect(failure { () throws(Failure) in try noFile.vault() }?.message.contains("/absent cannot be read: it does not exist") == true)
        let noToken = AzureFixture(options: options { $0.federatedTokenFile = "/absent" }, variables: [:])
        let found = await failure { () async throws(Failure) in try await noToken.vault().check(deadline: noToken.deadline) }
        #expect(found?.message.contains("/absent") == true && found?.isUnsent == true)
    }

    // MARK: Hosts

    @Test func aMachineHasAnIdentity() async throws {
        let fixture = AzureFixture(options: options { $0.client = nil }, variables: [:])
        let request = try await login(fixture)
        #expect(request.path == "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net")
        #expect(request.method == .get && request.sent("Metadata") == "true")
        #expect(fixture.seen.places.last == CloudPlace(.local, HTTPOrigin(isSecure: false, host: "169.254.169.254", port: 80)))
    }

    /// As everywhere but in Azure: the call says where credentials were looked for.
    @Test func aHostThatHasNoneIsTold() async throws {
        let fixture = AzureFixture(options: options { $0.client = nil }, variables: [:])
        fixture.tokens.fail(HTTPError(.refused, isUnsent: true))
        let found = await failure { () async throws(Failure) in try await fixture.vault().check(deadline: fixture.deadline) }
        #expect(found?.code == .unauthenticated && found?.retryable == true && found?.isUnsent == true)
        for source in ["AZURE_CLIENT_SECRET", "certificate_file", "metadata service"] { #expect(found?.message.contains(source) == true) }
    }

    @Test func anAppHasAnIdentity() async throws {
        let fixture = AzureFixture(
            options: options(), variables: ["IDENTITY_ENDPOINT": "http://127.0.0.1:41007/msi/token/", "IDENTITY_HEADER": "proof"])
        fixture.tokens.plan(200, #"{"access_token":"t","expires_on":"\#(fixture.manual.wall / 1_000 + 3_600)","resource":"x"}"#)
        let request = try await login(fixture)
        #expect(request.path == "/msi/token/?api-version=2019-08-01&resource=https%3A%2F%2Fvault.azure.net&client_id=my-client")
        #expect(request.sent("X-IDENTITY-HEADER") == "proof" && request.sent("Metadata") == nil)
    }

    @Test(arguments: [
        (["IDENTITY_ENDPOINT": "http://localhost", "IMDS_ENDPOINT": "http://localhost"], "Azure Arc"),
        (["IDENTITY_ENDPOINT": "https://x", "IDENTITY_HEADER": "h", "IDENTITY_SERVER_THUMBPRINT": "t"], "Service Fabric"),
        (["MSI_ENDPOINT": "http://localhost"], "Cloud Shell"),
        (["IDENTITY_ENDPOINT": "http://identity.example", "IDENTITY_HEADER": "h"], "IDENTITY_ENDPOINT: expected https://"),
        (["IDENTITY_ENDPOINT": "http://127.0.0.1?x=y", "IDENTITY_HEADER": "h"], "IDENTITY_ENDPOINT: expected https://"),
        (["AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://10.0.0.1"], "AZURE_POD_IDENTITY_AUTHORITY_HOST: expected https://"),
    ])
    func hostsThatAreNotSupportedAreSaidToBe(variables: [String: String], says: String) {
        let fixture = AzureFixture(options: options(), variables: variables)
        let found = failure { () throws(Failure) in try fixture.vault() }
        #expect(found?.message.contains(says) == true, "\(String(describing: found))")
    }

    // MARK: Refusals

    struct Refused: Sendable, CustomTestStringConvertible {
        let status: Int
        let word: String
        var isHost = false
        let expected: StatusCode
        let says: String
        var testDescription: String { "\(status) \(word)" }
    }

    @Test(arguments: [
        Refused(status: 401, word: "invalid_client", expected: .unauthenticated, says: "client_id and tenant_id"),
        Refused(status: 400, word: "unauthorized_client", expected: .unauthenticated, says: "no such application"),
        Refused(status: 400, word: "invalid_grant", expected: .unauthenticated, says: "federated credential"),
        Refused(status: 400, word: "invalid_request", expected: .unauthenticated, says: "tenant_id"),
        Refused(status: 403, word: "?", expected: .unauthenticated, says: "HTTP status 403"),
        Refused(status: 400, word: "temporarily_unavailable", expected: .unavailable, says: "HTTP status 400"),
        Refused(status: 429, word: "?", expected: .unavailable, says: "HTTP status 429"),
        Refused(status: 503, word: "?", expected: .unavailable, says: "HTTP status 503"),
        Refused(status: 400, word: "invalid_request", isHost: true, expected: .failedPrecondition, says: "managed identity"),
        Refused(status: 404, word: "?", isHost: true, expected: .unavailable, says: "HTTP status 404"),
        Refused(status: 410, word: "?", isHost: true, expected: .unavailable, says: "HTTP status 410"),
        Refused(status: 429, word: "?", isHost: true, expected: .unavailable, says: "HTTP status 429"),
        Refused(status: 500, word: "?", isHost: true, expected: .unavailable, says: "HTTP status 500"),
        Refused(status: 403, word: "?", isHost: true, expected: .unauthenticated, says: "proxies"),
        Refused(status: 200, word: "?", expected: .unavailable, says: "no token in it"),
    ])
    func refusalsOfLoginsAreSaid(row: Refused) async throws {
        let fixture = AzureFixture(options: options(), variables: row.isHost ? [:] : AzureFixture.application)
        fixture.tokens.plan(
            row.status, #"{"error":"\#(row.word)","error_description":"AADSTS7000215: SECRET-TEXT"}"#, headers: ["Retry-After": "3"])
        let vault = try fixture.vault()
        let found = await failure { () async throws(Failure) in try await vault.check(deadline: fixture.deadline) }
        let failure = try #require(found)
        #expect(failure.code == row.expected && failure.message.contains(row.says), "\(failure)")
        #expect(failure.retryable == (row.expected == .unavailable) && !failure.message.contains("SECRET-TEXT"))
        if row.expected == .unavailable, row.status != 200 { #expect(failure.retryAfterMilliseconds == 3_000) }
        #expect(fixture.fake.calls == [])
    }

    // MARK: Tokens

    @Test(arguments: [
        (#"{"access_token":"t","expires_in":3599}"#, 3_599, 3_299), (#"{"access_token":"t","expires_in":"86400"}"#, 86_400, 43_200),
        (#"{"access_token":"t","expires_in":3600,"refresh_in":1800}"#, 3_600, 1_800),
        (#"{"access_token":"t","expires_on":"1800000060"}"#, 60, 45), (#"{"access_token":"t","expires_on":1800007200}"#, 7_200, 3_600),
    ] as [(String, UInt64, UInt64)])
    func tokensLiveAsLongAsTheySay(answer: String, life: UInt64, refresh: UInt64) throws {
        let now: WallMilliseconds = 1_800_000_000_000
        let token = try #require(AzureToken(try JSON.parse(Secret(answer)), now: now))
        #expect(token.expiresAt == now + life * 1_000 && token.refreshTime(now: now) == now + refresh * 1_000)
    }

    @Test(arguments: [
        "{}", #"{"access_token":"t"}"#, #"{"access_token":"","expires_in":9}"#, #"{"access_token":"a b","expires_in":9}"#,
        #"{"access_token":"t","expires_in":-1}"#, #"{"access_token":"t","expires_in":1e9}"#, #"{"access_token":"t","expires_on":"9223372036854775807"}"#,
    ])
    func whatIsNoTokenIsNone(answer: String) throws {
        #expect(AzureToken(try JSON.parse(Secret(answer)), now: 1_800_000_000_000) == nil)
    }

    // MARK: Challenges

    @Test func aTokenThatIsNotAcceptedIsReplacedOnce() async throws {
        let fixture = AzureFixture()
        let vault = try fixture.vault()
        try await vault.check(deadline: fixture.deadline)
        fixture.fake.state.withLock { $0.revoked = ["token-1"] }
        try await vault.check(deadline: fixture.deadline)
        #expect(fixture.tokens.requests.count == 2)
        fixture.fake.state.withLock { $0.revoked = ["token-2", "token-3"] }
        let found = await failure { () async throws(Failure) in try await vault.check(deadline: fixture.deadline) }
        #expect(found?.code == .unauthenticated && fixture.tokens.requests.count == 3)
    }

    /// A tenant that is not configured is the vault's; a host that is not known to be Azure's is asked what it is part of.
    @Test func whatIsNotConfiguredTheVaultSays() async throws {
        let origin = HTTPOrigin(isSecure: true, host: "my-vault.vault.new-cloud.example", port: 443)
        let fixture = AzureFixture(options: options { ($0.origin, $0.tenant) = (origin, nil) })
        fixture.fake.state.withLock {
            $0.challenge = #"Bearer authorization="https://login.new-cloud.example/the-tenant", scope="https://vault.new-cloud.example/.default""#
        }
        let vault = try fixture.vault()
        _ = try await fixture.write(vault, fixture.item())
        let request = try #require(fixture.tokens.requests.first)
        // Where credentials go is the operator's to say, not the vault's.
        #expect(request.path == "/the-tenant/oauth2/v2.0/token" && fixture.seen.places.last?.origin.host == "login.microsoftonline.com")
        #expect(form(request)["scope"] == "https%3A%2F%2Fvault.new-cloud.example%2F.default")
        #expect(fixture.fake.requests.first?.sent("Authorization") == nil && fixture.fake.requests.first?.body == nil)
        #expect(fixture.fake.calls == [.get, .get, .set])
    }

    @Test func theTenantOfAKnownVaultIsAskedForOnce() async throws {
        let fixture = AzureFixture(options: options { $0.tenant = nil })
        let vault = try fixture.vault()
        try await vault.check(deadline: fixture.deadline)
        try await vault.check(deadline: fixture.deadline)
        #expect(fixture.tokens.requests.map(\.path) == ["/tenant-of-the-vault/oauth2/v2.0/token"])
        #expect(fixture.fake.calls == [.get, .get, .get] && fixture.fake.requests[0].sent("Authorization") == nil)
    }

    /// Else a server could have tokens that open others' vaults.
    @Test(arguments: [
        "https://vault.azure.net", "https://azure.net", "https://ult.example", "http://vault.example", "https://my-vault.vault.example",
        "https://management.azure.com",
    ])
    func aServerGetsTokensForWhatItIsPartOfOnly(resource: String) async throws {
        let origin = HTTPOrigin(isSecure: true, host: "my-vault.vault.example", port: 443)
        let fixture = AzureFixture(options: options { $0.origin = origin })
        fixture.fake.state.withLock { $0.challenge = #"Bearer authorization="https://login.example/t", resource="\#(resource)""# }
        let vault = try fixture.vault()
        let found = await failure { () async throws(Failure) in try await vault.check(deadline: fixture.deadline) }
        #expect(found?.code == .failedPrecondition && found?.message.contains("no part of") == true && found?.message.contains(resource) == false)
        #expect(fixture.tokens.requests.isEmpty && fixture.fake.requests.allSatisfy { $0.sent("Authorization") == nil })
    }

    /// A vault whose host is known asks for something else all of a sudden.
    @Test func aKnownHostGetsNothingElseEither() async throws {
        let fixture = AzureFixture()
        let vault = try fixture.vault()
        fixture.fake.state.withLock {
            $0.revoked = ["token-1"]
            $0.challenge = #"Bearer authorization="https://login.microsoftonline.com/t", resource="https://management.azure.com""#
        }
        let found = await failure { () async throws(Failure) in try await vault.check(deadline: fixture.deadline) }
        #expect(found?.code == .failedPrecondition && fixture.tokens.requests.count == 1)
    }

    @Test func theResourceCanBeConfigured() async throws {
        let fixture = AzureFixture(
            options: options {
                $0.origin = HTTPOrigin(isSecure: true, host: "10.0.0.7", port: 8_443)
                $0.resource = HTTPOrigin(isSecure: true, host: "vault.azure.net", port: 443)
            })
        #expect(form(try await login(fixture))["scope"] == "https%3A%2F%2Fvault.azure.net%2F.default")
        #expect(fixture.fake.calls == [.get])
    }

    /// Continuous Access Evaluation: the next token is asked for with what the vault wants in it, after a plain challenge too.
    @Test(arguments: [true, false]) func claimsAreHandedOn(afterAPlainOne: Bool) async throws {
        let fixture = AzureFixture()
        let vault = try fixture.vault()
        let claims = #"{"access_token":{"nbf":{"essential":true,"value":"1603742800"}}}"#
        let challenge = #"Bearer authorization="https://login.microsoftonline.com/", error="insufficient_claims", claims="\#(Base64.text(Array(claims.utf8)))""#
        if afterAPlainOne { fixture.fake.plan(.get, 401, "Unauthorized", headers: ["WWW-Authenticate": FakeKeyVault.challenge]) }
        fixture.fake.plan(.get, 401, "Unauthorized", headers: ["WWW-Authenticate": challenge])
        try await vault.check(deadline: fixture.deadline)
        let forms = fixture.tokens.requests.map(form)
        #expect(forms.count == (afterAPlainOne ? 3 : 2))
        #expect(forms.last?["claims"] == PercentEncoding.text(claims))
        #expect(forms.dropLast().allSatisfy { $0["claims"] == nil })
    }

    @Test(arguments: [
        nil, "", "Bearer", "Basic realm=x", #"PoP authorization="https://l/t", resource="https://vault.azure.net""#,
        #"Bearer authorization="https://l/t""#, #"Bearer resource="vault""#, #"Bearer claims="!""#, #"Bearer claims="W10""#,
        "Bearer " + String(repeating: "x", count: 9_000),
    ] as [String?])
    func whatIsNoChallengeIsNone(header: String?) { #expect(AzureChallenge(header) == nil) }
}
