import CofferCore
import CofferCrypto
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Synchronization
import Testing

@testable import CofferAzure

/// Ways to log in, and refusals.
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

    /// Before the first login a platform may have laid out another one, and so before each later one.
    @Test(arguments: [false, true]) func logsInByAFileThatIsReadAgain(isFederated: Bool) async throws {
        let member = isFederated ? "client_assertion" : "client_secret"
        let fixture = AzureFixture(
            options: options { if isFederated { $0.federatedTokenFile = "/file" } else { $0.clientSecretFile = "/file" } },
            variables: [:], files: ["/file": "at-the-start\n"])
        let vault = try fixture.vault()
        fixture.files.lay("first\n", at: "/file")
        try await vault.check(deadline: fixture.deadline)
        fixture.files.lay("second\n", at: "/file")
        fixture.fake.state.withLock { $0.revoked = ["token-1"] }
        try await vault.check(deadline: fixture.deadline)
        fixture.files.lay("third\n", at: "/file")
        #expect(try await vault.reload(deadline: fixture.deadline))
        #expect(fixture.tokens.requests.map { $0.form[member] } == ["first", "second", "third"])
    }

    /// What was good stays in use while the file is not.
    @Test func aCertificateIsReadAgain() async throws {
        let fixture = AzureFixture(
            options: options { $0.certificateFile = "/app.pem" }, variables: [:], files: ["/app.pem": Self.both])
        let vault = try fixture.vault()
        try await vault.check(deadline: fixture.deadline)
        fixture.files.lay(TestCertificate.key, at: "/app.pem")
        let found = await failure { () async throws(Failure) in _ = try await vault.reload(deadline: fixture.deadline) }
        #expect(found?.message.contains("certificate_file: /app.pem: it has no certificate") == true)
        try await vault.check(deadline: fixture.deadline)
        #expect(fixture.tokens.requests.count == 1)
        fixture.files.lay(Self.both, at: "/app.pem")
        #expect(try await vault.reload(deadline: fixture.deadline))
        #expect(fixture.tokens.requests.count == 2)
    }

    @Test(arguments: [nil, "hunter2"] as [String?])
    func logsInByACertificate(password: String?) async throws {
        let key = password == nil ? TestCertificate.key : TestCertificate.encryptedKey
        let fixture = AzureFixture(
            options: options { $0.certificateFile = "/app.pem" },
            variables: password.map { ["AZURE_CLIENT_CERTIFICATE_PASSWORD": $0] } ?? [:],
            files: ["/app.pem": key + TestCertificate.certificate])
        let form = try await login(fixture).form
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
        let assertion = try #require(try await login(fixture).form["client_assertion"])
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
        let form = try await login(fixture).form
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
        #expect(try await login(AzureFixture(options: options(false), files: files)).form["client_secret"] == "the-secret")
        #expect(try await login(AzureFixture(options: options(true), files: files)).form["client_assertion"]?.hasPrefix("eyJhbGciOiJQUzI1Ni") == true)
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

    /// Nobody looked at the credentials.
    @Test(arguments: [302, 401, 403, 404, 407], [false, true])
    func thePageOfAProxyIsNoRefusal(status: Int, isHost: Bool) async throws {
        let fixture = AzureFixture(options: options(), variables: isHost ? [:] : AzureFixture.application)
        fixture.tokens.plan(status, "<html>SECRET-TEXT</html>")
        let vault = try fixture.vault()
        let found = await failure { () async throws(Failure) in try await vault.check(deadline: fixture.deadline) }
        #expect(found?.code == .unavailable && found?.retryable == true, "\(String(describing: found))")
        #expect(found?.message.contains("HTTP status \(status)") == true && found?.message.contains("SECRET-TEXT") == false)
        // 404 is also what a source of identities says that is about to start.
        let place = isHost ? "AZURE_POD_IDENTITY_AUTHORITY_HOST" : "authority_host"
        #expect(found?.message.contains(place) == !(isHost && status == 404))
    }

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
}
