import CofferCore
import CofferCrypto
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Synchronization
import Testing

@testable import CofferAzure

/// What a vault asks for by a 401, and what tokens are asked for then.
@Suite(.timeLimit(.minutes(1))) struct AzureChallengeTests {
    private static let scope = "https%3A%2F%2Fvault.azure.net%2F.default"
    private static let claims = #"{"access_token":{"nbf":{"essential":true,"value":"1603742800"}}}"#
    /// As Microsoft's services write it.
    private static let claimsChallenge =
        #"Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", error="insufficient_claims", claims="\#(Base64.text(Array(claims.utf8)))""#

    @Test func aTokenThatIsNotAcceptedIsReplacedOnce() async throws {
        let fixture = AzureFixture()
        let vault = try fixture.vault()
        try await vault.check(deadline: fixture.deadline)
        fixture.fake.state.withLock { $0.revoked = ["token-1"] }
        try await vault.check(deadline: fixture.deadline)
        #expect(fixture.tokens.requests.count == 2)
        fixture.advance(milliseconds: 30_000)
        fixture.fake.state.withLock { $0.revoked = ["token-2", "token-3"] }
        let found = await failure { () async throws(Failure) in try await vault.check(deadline: fixture.deadline) }
        #expect(found?.code == .unauthenticated && fixture.tokens.requests.count == 3)
    }

    /// A tenant that is not configured is the vault's; a host that is not known to be Azure's is asked what it is part of.
    @Test func whatIsNotConfiguredTheVaultSays() async throws {
        let origin = HTTPOrigin(isSecure: true, host: "my-vault.vault.new-cloud.example", port: 443)
        let fixture = AzureFixture { ($0.origin, $0.tenant) = (origin, nil) }
        fixture.fake.state.withLock {
            $0.challenge = #"Bearer authorization="https://login.new-cloud.example/the-tenant", scope="https://vault.new-cloud.example/.default""#
        }
        let vault = try fixture.vault()
        _ = try await fixture.write(vault, fixture.item())
        let request = try #require(fixture.tokens.requests.first)
        // Where credentials go is the operator's to say, not the vault's.
        #expect(request.path == "/the-tenant/oauth2/v2.0/token" && fixture.seen.places.last?.origin.host == "login.microsoftonline.com")
        #expect(request.form["scope"] == "https%3A%2F%2Fvault.new-cloud.example%2F.default")
        #expect(fixture.fake.requests.first?.sent("Authorization") == nil && fixture.fake.requests.first?.body == nil)
        #expect(fixture.fake.calls == [.get, .get, .set])
    }

    @Test func theTenantOfAKnownVaultIsAskedForOnce() async throws {
        let fixture = AzureFixture { $0.tenant = nil }
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
        let fixture = AzureFixture { $0.origin = origin }
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
        let fixture = AzureFixture {
            $0.origin = HTTPOrigin(isSecure: true, host: "10.0.0.7", port: 8_443)
            $0.resource = HTTPOrigin(isSecure: true, host: "vault.azure.net", port: 443)
        }
        try await fixture.vault().check(deadline: fixture.deadline)
        #expect(fixture.tokens.requests.first?.form["scope"] == Self.scope)
        #expect(fixture.fake.calls == [.get])
    }

    /// Continuous Access Evaluation: the next token is asked for with what the vault wants in it, after a plain challenge too.
    @Test(arguments: [true, false]) func claimsAreHandedOn(afterAPlainOne: Bool) async throws {
        let fixture = AzureFixture()
        let vault = try fixture.vault()
        if afterAPlainOne { fixture.fake.plan(.get, 401, "Unauthorized", headers: ["WWW-Authenticate": FakeKeyVault.challenge]) }
        fixture.fake.plan(.get, 401, "Unauthorized", headers: ["WWW-Authenticate": Self.claimsChallenge])
        try await vault.check(deadline: fixture.deadline)
        let forms = fixture.tokens.requests.map(\.form)
        #expect(forms.count == (afterAPlainOne ? 3 : 2))
        #expect(forms.last?["claims"] == PercentEncoding.text(Self.claims))
        #expect(forms.dropLast().allSatisfy { $0["claims"] == nil })
    }

    /// The vault goes on wanting them: what a login that failed did not get is asked for by the next one.
    @Test(arguments: [503, 401]) func claimsOutliveALoginThatFails(status: Int) async throws {
        let fixture = AzureFixture()
        let vault = try fixture.vault()
        try await vault.check(deadline: fixture.deadline)
        fixture.fake.state.withLock { ($0.revoked, $0.challenge) = (["token-1"], Self.claimsChallenge) }
        // A token without the claims is not accepted either.
        if status == 401 { fixture.fake.state.withLock { _ = $0.revoked.insert("token-3") } }
        fixture.tokens.plan(status, #"{"error":"invalid_client"}"#)
        let found = await failure { () async throws(Failure) in try await vault.check(deadline: fixture.deadline) }
        #expect(found != nil)
        fixture.advance(milliseconds: status == 401 ? 1_000 : 200)
        try await vault.check(deadline: fixture.deadline)
        let forms = fixture.tokens.requests.map(\.form)
        #expect(forms.map { $0["claims"] != nil } == (status == 401 ? [false, true, false, true] : [false, true, true]))
    }

    @Test(arguments: [
        nil, "", "Bearer", "Basic realm=x", #"PoP authorization="https://l/t", resource="https://vault.azure.net""#,
        #"Bearer authorization="https://l/t""#, #"Bearer resource="vault""#, #"Bearer claims="!""#, #"Bearer claims="W10""#,
        "Bearer " + String(repeating: "x", count: 9_000),
    ] as [String?])
    func whatIsNoChallengeIsNone(header: String?) { #expect(AzureChallenge(header) == nil) }

    // MARK: What is learnt

    /// Such a challenge is for persons too: no application can log in to the tenant that it names.
    @Test func aChallengeWithClaimsMovesNothing() async throws {
        let fixture = AzureFixture { $0.tenant = nil }
        let vault = try fixture.vault()
        try await vault.check(deadline: fixture.deadline)
        fixture.fake.plan(.get, 401, "Unauthorized", headers: ["WWW-Authenticate": Self.claimsChallenge])
        try await vault.check(deadline: fixture.deadline)
        #expect(fixture.tokens.requests.map(\.path) == Array(repeating: "/tenant-of-the-vault/oauth2/v2.0/token", count: 2))
        #expect(fixture.tokens.requests.last?.form["claims"] != nil)
    }

    /// No restart is needed where a vault was moved, or said something wrong once.
    @Test func aTenantThatDoesNotDoIsAskedForAgain() async throws {
        let fixture = AzureFixture { $0.tenant = nil }
        let vault = try fixture.vault()
        fixture.fake.state.withLock { $0.challenge = FakeKeyVault.challenge.replacing("tenant-of-the-vault", with: "gone") }
        fixture.tokens.plan(400, #"{"error":"invalid_request"}"#)
        let found = await failure { () async throws(Failure) in try await vault.check(deadline: fixture.deadline) }
        #expect(found?.code == .unauthenticated)
        fixture.fake.state.withLock { $0.challenge = FakeKeyVault.challenge }
        fixture.advance(milliseconds: 1_000)
        try await vault.check(deadline: fixture.deadline)
        #expect(fixture.tokens.requests.map(\.path) == ["/gone/oauth2/v2.0/token", "/tenant-of-the-vault/oauth2/v2.0/token"])
    }

    /// The host is part of that too, and tokens of it are good for more than vaults.
    @Test func aKnownCloudStaysWhatTokensAreFor() async throws {
        let fixture = AzureFixture()
        let vault = try fixture.vault()
        fixture.fake.state.withLock {
            $0.revoked = ["token-1"]
            $0.challenge = #"Bearer authorization="https://login.microsoftonline.com/t", resource="https://azure.net""#
        }
        try await vault.check(deadline: fixture.deadline)
        #expect(fixture.tokens.requests.map { $0.form["scope"] } == [Self.scope, Self.scope])
    }

    struct Answer: Sendable, CustomTestStringConvertible {
        let status: Int
        let code: String
        var inner: String?
        let expected: StatusCode
        var testDescription: String { "\(status) \(code) \(inner ?? "")" }
    }

    /// Nobody was authenticated, and nothing was looked up: it says nothing about records.
    @Test(arguments: [
        Answer(status: 404, code: "SecretNotFound", expected: .unavailable),
        Answer(status: 409, code: "Conflict", inner: "ObjectIsBeingDeleted", expected: .unavailable),
        Answer(status: 409, code: "Conflict", inner: "ObjectIsDeletedButRecoverable", expected: .unavailable),
        Answer(status: 200, code: "", expected: .unavailable), Answer(status: 401, code: "Unauthorized", expected: .unavailable),
        Answer(status: 429, code: "Throttled", expected: .resourceExhausted),
        Answer(status: 403, code: "Forbidden", inner: "ForbiddenByFirewall", expected: .permissionDenied),
    ])
    func whatIsAnsweredWithoutATokenIsNoAbsence(row: Answer) async throws {
        for isRemoval in [false, true] {
            let fixture = AzureFixture { $0.tenant = nil }
            let vault = try fixture.vault()
            fixture.fake.plan(.get, row.status, row.code, row.inner)
            let found = await failure { () async throws(Failure) in
                if isRemoval { _ = try await fixture.remove(vault) } else { _ = try await fixture.read(vault) }
            }
            #expect(found?.code == row.expected && found?.mayHaveWritten == false, "\(String(describing: found))")
            #expect(fixture.tokens.requests.isEmpty && fixture.fake.calls == [.get])
        }
    }

    /// A vault of another tenant accepts none: that does not cost a login for each call.
    @Test(arguments: [false, true]) func aVaultThatAcceptsNoTokenCostsFewLogins(wantsClaims: Bool) async throws {
        let fixture = AzureFixture()
        let vault = try fixture.vault()
        fixture.fake.state.withLock {
            $0.revoked = Set((1...99).map { "token-\($0)" })
            if wantsClaims { $0.challenge = Self.claimsChallenge }
        }
        for logins in [2, 3] {
            for _ in 0..<10 {
                let found = await failure { () async throws(Failure) in try await vault.check(deadline: fixture.deadline) }
                #expect(found?.code == .unauthenticated && found?.message.contains("not accepted") == true)
            }
            #expect(fixture.tokens.requests.count == logins)
            fixture.advance(milliseconds: 30_000)
        }
    }

    // MARK: Tokens

    @Test(arguments: [
        (#"{"access_token":"t","expires_in":3599}"#, 3_599, 3_299), (#"{"access_token":"t","expires_in":"86400"}"#, 86_400, 43_200),
        (#"{"access_token":"t","expires_in":3600,"refresh_in":1800}"#, 3_600, 1_800),
        (#"{"access_token":"t","expires_on":"1800000060"}"#, 60, 45), (#"{"access_token":"t","expires_on":1800007200}"#, 7_200, 3_600),
        (#"{"access_token":"t","expires_in":0,"refresh_in":0}"#, 0, 0), (#"{"access_token":"t","expires_on":1800000000,"refresh_in":5}"#, 0, 0),
        (#"{"access_token":"t","expires_in":3600,"refresh_in":3601}"#, 3_600, 3_300),
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
}
