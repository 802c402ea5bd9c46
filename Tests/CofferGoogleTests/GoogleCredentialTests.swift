import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Synchronization
import Testing

@testable import CofferGoogle

/// Where tokens come from, and what is sent for them.
@Suite(.timeLimit(.minutes(1))) struct GoogleCredentialTests {
    private let clock = ManualClock(wall: 1_700_000_000_000)
    private static let token = #"{"access_token":"ya29.token","expires_in":3599,"token_type":"Bearer"}"#

    private static func account(_ more: String = "") -> String {
        let key = TestKey.rsa.replacing("\n", with: "\\n")
        return #"{"type":"service_account","project_id":"key-project","private_key_id":"kid1","client_email":"coffer@p.iam.gserviceaccount.com","private_key":"\#(key)","token_uri":"https://oauth2.googleapis.com/token"\#(more)}"#
    }

    private static func federation(_ source: String, _ more: String = "") -> String {
        #"{"type":"external_account","audience":"//iam.googleapis.com/pool","subject_token_type":"urn:ietf:params:oauth:token-type:jwt","token_url":"https://sts.googleapis.com/v1/token","credential_source":\#(source)\#(more)}"#
    }

    private static let impersonation =
        #","service_account_impersonation_url":"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/coffer@p.iam.gserviceaccount.com:generateAccessToken""#

    /// A login with these files; GOOGLE_APPLICATION_CREDENTIALS names the file "f".
    private func login(
        _ files: [String: String], _ variables: [String: String] = ["GOOGLE_APPLICATION_CREDENTIALS": "f"],
        options: GoogleOptions = GoogleOptions(), places: [String: any HTTPTransport] = [:]
    ) throws(Failure) -> GoogleLogin {
        let dependencies = CloudDependencies(variables, files: files, clock: clock) { place in
            let host = place.origin.host
            return places[host] ?? GoogleScript { _, _ throws(HTTPError) in throw HTTPError(.refused, isUnsent: true) }
        }
        return try GoogleLogin(
            options, dependencies: dependencies, transports: CloudTransports(dependencies), clock: clock, vault: "cloud")
    }

    private var deadline: BootInstant { clock.boot + .seconds(20) }

    private static func answering(_ status: Int = 200, _ text: String = token, headers: HTTPFields = [:]) -> GoogleScript {
        GoogleScript { _, _ in .google(status, text, headers: headers) }
    }

    private static let metadata: HTTPFields = ["Metadata-Flavor": "Google"]

    // MARK: A service account's key

    @Test func aKeySignsAnAssertion() async throws {
        let server = Self.answering()
        let login = try login(["f": Self.account()], places: ["oauth2.googleapis.com": server])
        let token = try await login.token(deadline: deadline)
        #expect(token.authorization.text == "Bearer ya29.token" && token.expiresAt == clock.wall + 3_599_000)
        let request = try #require(server.requests.first)
        #expect(request.method == .post && request.path == "/token")
        #expect(request.sent("Content-Type") == "application/x-www-form-urlencoded")
        let start = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion="
        #expect(request.sentText.hasPrefix(start))
        let parts = request.sentText.dropFirst(start.count).split(separator: ".")
        #expect(parts.count == 3 && parts[2].utf8.count == 342)
        #expect(Self.decoded(parts[0]) == #"{"alg":"RS256","typ":"JWT","kid":"kid1"}"#)
        #expect(
            Self.decoded(parts[1])
                == #"{"iss":"coffer@p.iam.gserviceaccount.com","scope":"https://www.googleapis.com/auth/cloud-platform","aud":"https://oauth2.googleapis.com/token","iat":1700000000,"exp":1700003600}"#)
    }

    private static func decoded(_ part: Substring) -> String? {
        let text = String(part).replacing("-", with: "+").replacing("_", with: "/")
        let padded = text + String(repeating: "=", count: (4 - text.utf8.count % 4) % 4)
        return JSON.string(padded).string.flatMap { Base64.bytes($0, limit: 4_096) }?.text
    }

    @Test func theKeyFileNamesTheProject() throws {
        let fixture = GoogleFixture()
        func vault(_ options: GoogleOptions, _ files: [String: String]) throws(Failure) -> GoogleVault {
            try GoogleVault(
                name: "cloud", options: options,
                dependencies: CloudDependencies(
                    ["GOOGLE_APPLICATION_CREDENTIALS": "f"], files: files, clock: fixture.manual
                ) { _ in fixture.fake }, clock: fixture.manual, random: SystemRandom())
        }
        #expect(try vault(GoogleOptions(), ["f": Self.account()]).parent == "/v1/projects/key-project/secrets")
        #expect(try vault(GoogleOptions(project: "p"), ["f": Self.account()]).parent == "/v1/projects/p/secrets")
        let none = failure { () throws(Failure) in try vault(GoogleOptions(), ["f": Self.federation(#"{"file":"t"}"#)]) }
        #expect(none?.code == .failedPrecondition && none?.message.contains("GOOGLE_CLOUD_PROJECT") == true)
    }

    struct BadFile: Sendable, CustomTestStringConvertible {
        let text: String?
        let says: String
        var testDescription: String { says }
    }

    /// At the start, with the file's name and nothing of what is in it.
    @Test(arguments: [
        BadFile(text: nil, says: "f does not exist"), BadFile(text: "{", says: "no JSON object"),
        BadFile(text: "[]", says: "no JSON object"), BadFile(text: "{}", says: "type is not supported"),
        BadFile(text: #"{"type":"impersonated_service_account"}"#, says: "type is not supported"),
        BadFile(text: #"{"type":"service_account"}"#, says: "client_email is missing"),
        BadFile(text: account().replacing("PRIVATE", with: "PUBLIC"), says: "private_key is no RSA key"),
        BadFile(
            text: account().replacing(TestKey.rsa.replacing("\n", with: "\\n"), with: TestKey.elliptic.replacing("\n", with: "\\n")),
            says: "private_key is no RSA key"),
        BadFile(text: account().replacing("oauth2.googleapis.com", with: "evil.example"), says: "token_uri is not at googleapis.com"),
        BadFile(text: account().replacing("oauth2.googleapis.com", with: "googleapis.com.evil"), says: "token_uri is not at googleapis.com"),
        BadFile(text: account().replacing("https://oauth2", with: "http://oauth2"), says: "token_uri is not at googleapis.com"),
        BadFile(text: federation(#"{"executable":{"command":"/bin/sh"}}"#), says: "credential_source.executable is not supported"),
        BadFile(text: federation(#"{"environment_id":"aws1"}"#), says: "credential_source.environment_id is not supported"),
        BadFile(text: federation("{}"), says: "neither file nor url"), BadFile(text: federation("null"), says: "credential_source is missing"),
        BadFile(text: federation(#"{"url":"ftp://h/t"}"#), says: "credential_source.url"),
        BadFile(text: federation(#"{"url":"http://h/t"}"#), says: "credential_source.url is plain http to another host"),
        BadFile(text: federation(#"{"url":"http://10.0.0.1/t"}"#), says: "credential_source.url is plain http to another host"),
        BadFile(text: federation(#"{"url":"https://h/t","headers":{"a b":"c"}}"#), says: "credential_source.headers"),
        BadFile(text: federation(#"{"file":"t","format":{"type":"json"}}"#), says: "subject_token_field_name is missing"),
        BadFile(text: federation(#"{"file":"t"}"#).replacing("sts.googleapis.com", with: "sts.example"), says: "token_url is not at googleapis.com"),
        BadFile(text: federation(#"{"file":"t"}"#, #","service_account_impersonation_url":"https://iam.example/x""#), says: "service_account_impersonation_url is not at"),
        BadFile(text: federation(#"{"file":"t"}"#, #","service_account_impersonation":{"token_lifetime_seconds":5}"#), says: "expected 600 to 43200, got 5"),
        BadFile(text: #"{"type":"authorized_user","client_id":"i"}"#, says: "client_secret is missing"),
    ])
    func aFileThatCannotBeUsedIsSaid(file: BadFile) throws {
        let login = try login(file.text.map { ["f": $0] } ?? [:])
        let found = failure { () throws(Failure) in try login.checkedFile() }
        let failure = try #require(found)
        #expect(failure.code == .failedPrecondition && failure.isUnsent)
        #expect(failure.message.hasPrefix("credentials_file: f") && failure.message.contains(file.says), "\(failure.message)")
        #expect(!failure.message.contains("evil") && !failure.message.contains("BEGIN"))
    }

    @Test func aServerThatIsNamedMayGiveTokens() async throws {
        let server = Self.answering()
        let login = try login(
            ["f": Self.account().replacing("https://oauth2.googleapis.com", with: "https://tokens.example:8443")],
            options: GoogleOptions(tokenEndpoint: "https://tokens.example:8443"), places: ["tokens.example": server])
        _ = try login.checkedFile()
        _ = try await login.token(deadline: deadline)
        #expect(server.requests.count == 1)
    }

    // MARK: Federation

    @Test func aTokenFromAFileIsExchangedAndImpersonates() async throws {
        let exchange = Self.answering(200, #"{"access_token":"federated","expires_in":"1200","token_type":"Bearer","issued_token_type":"x"}"#)
        let iam = Self.answering(200, #"{"accessToken":"ya29.account","expireTime":"2023-11-14T23:13:20Z"}"#)
        let login = try login(
            ["f": Self.federation(#"{"file":"/token"}"#, Self.impersonation), "/token": "subject+token\n"],
            places: ["sts.googleapis.com": exchange, "iamcredentials.googleapis.com": iam])
        let token = try await login.token(deadline: deadline)
        #expect(token.authorization.text == "Bearer ya29.account" && token.expiresAt == 1_700_003_600_000)
        #expect(
            exchange.requests.first?.sentText
                == "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&audience=%2F%2Fiam.googleapis.com%2Fpool&scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fiam&requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&subject_token=subject%2Btoken&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt")
        let asked = try #require(iam.requests.first)
        #expect(asked.path == "/v1/projects/-/serviceAccounts/coffer@p.iam.gserviceaccount.com:generateAccessToken")
        #expect(asked.sent("Authorization") == "Bearer federated")
        #expect(asked.sentText == #"{"scope":["https://www.googleapis.com/auth/cloud-platform"],"lifetime":"3600s"}"#)
    }

    @Test func aTokenFromAnAddressIsExchanged() async throws {
        let source = Self.answering(200, #"{"id":"subject"}"#)
        let exchange = Self.answering()
        let url = #"{"url":"http://169.254.169.254/identity?x=1","headers":{"Metadata":"True"},"format":{"type":"json","subject_token_field_name":"id"}}"#
        let login = try login(
            ["f": Self.federation(url, #","quota_project_id":"billed""#)], places: ["169.254.169.254": source, "sts.googleapis.com": exchange])
        #expect(try await login.token(deadline: deadline).quotaProject == "billed")
        #expect(source.requests.first?.path == "/identity?x=1" && source.requests.first?.sent("Metadata") == "True")
        #expect(exchange.requests.first?.sentText.contains("subject_token=subject&") == true)
    }

    @Test(arguments: [
        ("https://tokens.example/t", CloudPlace.Kind.tokens), ("http://127.0.0.1:81/t", .local), ("http://localhost/t", .local),
        ("http://[::1]/t", .local), ("http://169.254.169.254/t", .local), ("http://mine.example:80/t", .tokenEndpoint),
    ])
    func aSourceIsReachedAsItsAddressSays(url: String, kind: CloudPlace.Kind) async throws {
        let places = Mutex<[CloudPlace]>([])
        let dependencies = CloudDependencies(
            ["GOOGLE_APPLICATION_CREDENTIALS": "f"], files: ["f": Self.federation(#"{"url":"\#(url)"}"#)], clock: clock
        ) { place in
            places.withLock { $0.append(place) }
            return Self.answering()
        }
        let login = try GoogleLogin(
            GoogleOptions(tokenEndpoint: "http://mine.example"), dependencies: dependencies,
            transports: CloudTransports(dependencies), clock: clock, vault: "cloud")
        _ = try await login.token(deadline: deadline)
        #expect(places.withLock { $0.map(\.kind) } == [kind, .tokens])
    }

    @Test(arguments: [nil, "{}", "[]"] as [String?])
    func aSourceWithoutATokenIsSaid(content: String?) async throws {
        var files = ["f": Self.federation(#"{"file":"/token","format":{"type":"json","subject_token_field_name":"id"}}"#)]
        files["/token"] = content
        let login = try login(files)
        let found = await failure { () async throws(Failure) in try await login.token(deadline: deadline) }
        #expect(found?.code == .unauthenticated && found?.message.contains("/token") == true)
    }

    @Test func aLoginOfGcloudIsUsed() async throws {
        let server = Self.answering()
        let file = #"{"type":"authorized_user","client_id":"i","client_secret":"s","refresh_token":"r","quota_project_id":"q"}"#
        for variables in [["HOME": "/var/u"], ["CLOUDSDK_CONFIG": "/var/u/.config/gcloud", "HOME": "/x"]] {
            let login = try login(
                ["/var/u/.config/gcloud/application_default_credentials.json": file], variables, places: ["oauth2.googleapis.com": server])
            #expect(try await login.token(deadline: deadline).quotaProject == "q")
        }
        #expect(server.requests.first?.sentText == "grant_type=refresh_token&client_id=i&client_secret=s&refresh_token=r")
    }

    // MARK: The metadata server

    @Test(arguments: [(nil, "metadata.google.internal"), ("10.0.0.1:8080", "10.0.0.1")] as [(String?, String)])
    func theMetadataServerGivesTokens(host: String?, asked: String) async throws {
        let server = Self.answering(headers: Self.metadata)
        var variables = ["HOME": "/nowhere"]
        variables["GCE_METADATA_HOST"] = host
        _ = try await login([:], variables, places: [asked: server]).token(deadline: deadline)
        #expect(
            server.requests.first?.path
                == "/computeMetadata/v1/instance/service-accounts/default/token?scopes=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform")
        #expect(server.requests.first?.sent("Metadata-Flavor") == "Google")
    }

    @Test func whoeverAnswersWithoutTheHeaderIsNotBelieved() async throws {
        let login = try login([:], [:], places: ["metadata.google.internal": Self.answering()])
        let found = await failure { () async throws(Failure) in try await login.token(deadline: deadline) }
        #expect(found?.message.contains("Metadata-Flavor") == true && found?.retryable == true)
    }

    @Test func anInstanceWithoutAnAccountIsSaid() async throws {
        let login = try login([:], [:], places: ["metadata.google.internal": Self.answering(404, "", headers: Self.metadata)])
        let found = await failure { () async throws(Failure) in try await login.token(deadline: deadline) }
        #expect(found?.code == .unauthenticated && found?.message.contains("attach a service account") == true)
    }

    @Test(arguments: [429, 500, 503]) func aMetadataServerThatFailsIsNotOneThatIsMissing(status: Int) async throws {
        let headers: HTTPFields = ["Metadata-Flavor": "Google", "Retry-After": "3"]
        let login = try login([:], [:], places: ["metadata.google.internal": Self.answering(status, "", headers: headers)])
        let found = await failure { () async throws(Failure) in try await login.token(deadline: deadline) }
        #expect(found?.code == .unavailable && found?.reason == .vaultFailed && found?.retryable == true)
        #expect(found?.retryAfterMilliseconds == 3_000 && found?.message.contains("HTTP status \(status)") == true)
    }

    @Test func whereNothingIsFoundEverySourceIsNamed() async throws {
        let found = await failure { () async throws(Failure) in
            try await login([:], ["HOME": "/var/u"]).token(deadline: deadline)
        }
        let failure = try #require(found)
        #expect(failure.code == .unauthenticated && failure.isUnsent && failure.retryable)
        for source in ["GOOGLE_APPLICATION_CREDENTIALS", "/var/u/.config/gcloud/", "metadata server"] {
            #expect(failure.message.contains(source))
        }
    }

    @Test func aMetadataHostThatIsNoneIsSaid() {
        let found = failure { () throws(Failure) in try login([:], ["GCE_METADATA_HOST": "http://h"]) }
        #expect(found?.message.contains("GCE_METADATA_HOST") == true)
    }

    // MARK: Refusals

    @Test(arguments: [
        (400, #"{"error":"invalid_grant","error_description":"SECRET"}"#, StatusCode.unauthenticated, false, "clock"),
        (401, #"{"error":"invalid_client"}"#, .unauthenticated, false, "client"),
        (400, #"{"error":"invalid_target"}"#, .unauthenticated, false, "audience"),
        (403, #"{"error":{"code":403,"status":"PERMISSION_DENIED","message":"SECRET"}}"#, .unauthenticated, false, "IAM Credentials"),
        (400, #"{"error":"internal_failure"}"#, .unavailable, true, "400"), (503, "<html>", .unavailable, true, "503"),
        (429, "", .unavailable, true, "429"), (200, "<html>", .unavailable, true, "no token"), (200, "{}", .unavailable, true, "no token"),
        (200, #"{"access_token":"a b","expires_in":3}"#, .unavailable, true, "no token"),
    ])
    func refusalsSayWhatToCheck(status: Int, body: String, code: StatusCode, retryable: Bool, says: String) async throws {
        let login = try login(["f": Self.account()], places: ["oauth2.googleapis.com": Self.answering(status, body)])
        let found = await failure { () async throws(Failure) in try await login.token(deadline: deadline) }
        let failure = try #require(found)
        #expect(failure.code == code && failure.retryable == retryable && !failure.mayHaveWritten)
        #expect(failure.message.contains(says) && !failure.message.contains("SECRET"), "\(failure.message)")
    }

    // MARK: The token that is used

    @Test func aTokenThatIsNotAcceptedIsReplacedOnce() async throws {
        let fixture = GoogleFixture()
        let vault = try fixture.vault()
        fixture.fake.plan(.access, 401, "UNAUTHENTICATED")
        #expect(try await vault.read(try fixture.key(), deadline: fixture.deadline) == nil)
        #expect(fixture.fake.requests.map { $0.sent("Authorization") } == ["Bearer token-1", "Bearer token-2"])
        fixture.advance(milliseconds: 30_000)
        for _ in 0..<2 { fixture.fake.plan(.access, 401, "UNAUTHENTICATED") }
        let found = await failure { () async throws(Failure) in
            try await vault.read(try fixture.key(), deadline: fixture.deadline)
        }
        #expect(found?.code == .unauthenticated && fixture.metadata.asked.withLock { $0 } == 3)
    }

    @Test func aQuotaProjectIsSentWithEveryCall() async throws {
        let fixture = GoogleFixture(options: GoogleOptions(project: "p", quotaProject: "billed"))
        _ = try await fixture.write(try fixture.vault(), fixture.item())
        #expect(fixture.fake.requests.allSatisfy { $0.sent("x-goog-user-project") == "billed" })
    }
}
