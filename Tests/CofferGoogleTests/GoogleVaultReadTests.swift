import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Synchronization
import Testing

@testable import CofferGoogle

@Suite(.timeLimit(.minutes(1))) struct GoogleVaultReadTests {
    private let fixture = GoogleFixture()
    private static let json = #"{"apiKey":"sk_123"}"#

    private func read(_ vault: GoogleVault) async throws(Failure) -> VaultItem? {
        try await vault.read(try fixture.key(), deadline: fixture.deadline)
    }

    @Test func aSealedRecordIsOneCall() async throws {
        let vault = try fixture.vault()
        _ = try await fixture.write(vault, fixture.item("v1"))
        fixture.fake.forget()
        #expect(try await read(vault)?.version == "v1")
        #expect(fixture.fake.calls == [.access])
        #expect(
            fixture.fake.requests.map(\.path) == [
                "/v1/projects/my-project/secrets/\(GoogleFixture.secret)/versions/latest:access"
            ])
    }

    /// The payload tells no time, and the service does in a call of its own: once for each version.
    @Test func aTextIsAskedForItsTimeOnce() async throws {
        let vault = try fixture.vault()
        fixture.fake.put(GoogleFixture.secret, Self.json)
        let first = try #require(try await read(vault))
        #expect(first.payload == .text(Secret(Self.json)) && first.version == "1-\(fixture.manual.wall)")
        #expect(first.updatedAt == fixture.manual.wall && first.expiresAt == 0)
        #expect(try await read(vault) == first)
        #expect(fixture.fake.calls == [.access, .getVersion, .access])
        // The same number with another payload is another version: the secret was made again.
        fixture.fake.change(GoogleFixture.secret) { $0.versions = [] }
        fixture.manual.advance(milliseconds: 5)
        fixture.fake.put(GoogleFixture.secret, "{}")
        #expect(try await read(vault)?.version == "1-\(fixture.manual.wall)")
    }

    @Test func anEnvelopeThatWasCopiedAloneHasTheVersionsTime() async throws {
        fixture.fake.put(GoogleFixture.secret, #"{"coffer":"coffer1:AQID","version":"v1"}"#)
        let item = try #require(try await read(try fixture.vault()))
        #expect(item.payload == .sealed([1, 2, 3]) && item.createdAt == fixture.manual.wall)
    }

    @Test(arguments: ["coffer1b", #"{"coffer":"coffer1:AAAA!"}"#, ""])
    func whatIsNoRecordIsUnreadable(text: String) async throws {
        fixture.fake.put(GoogleFixture.secret, text)
        let vault = try fixture.vault()
        let found = await failure { () async throws(Failure) in try await read(vault) }
        #expect(found?.isOfOneRecord == true)
        // A Store replaces it.
        _ = try await fixture.write(vault, fixture.item("v2"))
        #expect(try await read(vault)?.version == "v2")
    }

    @Test func bytesThatAreNoTextAreUnreadable() async throws {
        fixture.fake.put(GoogleFixture.secret, "x")
        for data in ["/w==", "!", nil] {
            fixture.fake.change(GoogleFixture.secret) { ($0.versions[0].data, $0.versions[0].checksum) = (data, nil) }
            let found = await failure { () async throws(Failure) in try await read(try fixture.vault()) }
            #expect(found?.isOfOneRecord == true, "\(data ?? "no data")")
        }
    }

    // MARK: Checksums

    @Test(arguments: ["0", "", "-1", "18446744073709551615", "many"])
    func aWrongChecksumIsAFailureThatMayPass(checksum: String) async throws {
        fixture.fake.put(GoogleFixture.secret, Self.json)
        fixture.fake.change(GoogleFixture.secret) { $0.versions[0].checksum = checksum }
        let found = await failure { () async throws(Failure) in try await read(try fixture.vault()) }
        #expect(found?.code == .unavailable && found?.retryable == true && found?.isOfOneRecord == false)
        #expect(found?.message.contains("CRC-32C") == true)
    }

    @Test func oldVersionsHaveNoChecksum() async throws {
        fixture.fake.put(GoogleFixture.secret, Self.json)
        fixture.fake.change(GoogleFixture.secret) { $0.versions[0].checksum = nil }
        #expect(try await read(try fixture.vault())?.payload == .text(Secret(Self.json)))
    }

    // MARK: States

    /// As the paper says: older versions are not used in its place.
    @Test(arguments: ["DISABLED", "DESTROYED"])
    func theNewestVersionsStateIsSaid(state: String) async throws {
        let vault = try fixture.vault()
        fixture.fake.put(GoogleFixture.secret, Self.json)
        fixture.fake.put(GoogleFixture.secret, Self.json)
        fixture.fake.change(GoogleFixture.secret) { $0.versions[1].state = state }
        let found = await failure { () async throws(Failure) in try await read(vault) }
        let failure = try #require(found)
        #expect(failure.code == .failedPrecondition && failure.isOfOneRecord && !failure.retryable)
        #expect(failure.message.contains(state.lowercased()))
        // Of a destroyed one also whether there is a newer one.
        #expect(fixture.fake.calls == [.access, .getVersion] + (state == "DESTROYED" ? [.getVersion] : []))
        // A Store or Delete gets over it.
        _ = try await fixture.write(vault, fixture.item("v3"))
        #expect(try await read(vault)?.version == "v3")
        #expect(try await vault.remove(try fixture.key(), ifVersion: nil, deadline: fixture.deadline))
    }

    @Test func whatIsEnabledMeanwhileIsRead() async throws {
        fixture.fake.put(GoogleFixture.secret, Self.json)
        fixture.fake.plan(.access, 400, "FAILED_PRECONDITION")
        #expect(try await read(try fixture.vault()) != nil)
    }

    @Test func aSecretWithoutAVersionIsAbsent() async throws {
        let vault = try fixture.vault()
        fixture.fake.plan(.addVersion, 503, "UNAVAILABLE")
        _ = await failure { () async throws(Failure) in try await fixture.write(vault, fixture.item()) }
        #expect(try await read(vault) == nil)
        _ = try await fixture.write(vault, fixture.item("v2"))
        #expect(try await read(vault)?.version == "v2")
    }

    /// A page of a gateway, and not the service's word.
    @Test func a404ThatIsNotTheServicesIsNoAbsence() async throws {
        fixture.fake.plan(.access, .response(.google(404, "<html>not found</html>")))
        let found = await failure { () async throws(Failure) in try await read(try fixture.vault()) }
        #expect(found?.code == .unavailable && found?.retryable == true)
    }

    @Test(arguments: ["[]", "{", "null", "{}", #"{"name":"projects/1/secrets/s/versions/0","payload":{}}"#, #"{"name":"x/1","payload":{}}"#, #"{"name":"projects/1/secrets/s/versions/1"}"#])
    func answersThatAreNoneAreFailures(body: String) async throws {
        fixture.fake.plan(.access, .response(.google(200, body)))
        let found = await failure { () async throws(Failure) in try await read(try fixture.vault()) }
        #expect(found?.code == .unavailable && found?.reason == .vaultFailed)
    }

    // MARK: A service that lags

    @Test func aReadAfterAWriteIsNotBehind() async throws {
        let vault = try fixture.vault()
        _ = try await fixture.write(vault, fixture.item("v1"))
        _ = try await fixture.write(vault, fixture.item("v2"))
        for known in [1, 0] {
            fixture.fake.change(GoogleFixture.secret) { $0.known = known }
            fixture.fake.forget()
            #expect(try await read(vault)?.version == "v2")
            #expect(fixture.fake.calls == [.access, .access])
        }
        // Not for ever.
        fixture.manual.advance(milliseconds: 31_000)
        #expect(try await read(vault) == nil)
    }

    @Test func whatOthersMadeAgainIsBelieved() async throws {
        let vault = try fixture.vault()
        for version in ["v1", "v2", "v3"] { _ = try await fixture.write(vault, fixture.item(version)) }
        fixture.fake.change(GoogleFixture.secret) { $0.versions = [] }
        #expect(try await read(vault) == nil)
        _ = try await fixture.write(try fixture.vault(), fixture.item("theirs"))
        #expect(try await read(vault)?.version == "theirs")
    }

    /// Another daemon has stored, and destroyed the version before.
    @Test func aDestroyedVersionBeforeTheNewestIsAskedForAgain() async throws {
        for _ in 0..<2 { fixture.fake.put(GoogleFixture.secret, Self.json) }
        fixture.fake.change(GoogleFixture.secret) { ($0.known, $0.versions[0].state) = (1, "DESTROYED") }
        let vault = try fixture.vault()
        let found = await failure { () async throws(Failure) in try await read(vault) }
        #expect(found?.code == .unavailable && found?.retryable == true && found?.isOfOneRecord == false)
        _ = try await fixture.write(vault, fixture.item("v3"))
        fixture.fake.change(GoogleFixture.secret) { $0.known = nil }
        #expect(try await read(vault)?.version == "v3")
    }

    /// The text of another program has no order: only its version tells that it is the one that was deleted.
    @Test func aTextThatWasDeletedIsNotServedByALaggingService() async throws {
        let vault = try fixture.vault()
        fixture.fake.put(GoogleFixture.secret, Self.json)
        let before = try #require(fixture.fake.state.withLock { $0.secrets[GoogleFixture.secret] })
        #expect(try await vault.remove(try fixture.key(), ifVersion: nil, deadline: fixture.deadline))
        fixture.fake.state.withLock { $0.secrets[GoogleFixture.secret] = before }
        #expect(try await read(vault) == nil)
        fixture.manual.advance(milliseconds: 31_000)
        #expect(try await read(vault) != nil)
        // What is stored after the removal has another time, and is served.
        #expect(try await vault.remove(try fixture.key(), ifVersion: nil, deadline: fixture.deadline))
        fixture.manual.advance(milliseconds: 1)
        fixture.fake.put(GoogleFixture.secret, Self.json)
        #expect(try await read(vault) != nil)
    }

    // MARK: Lists

    private func list(_ vault: GoogleVault, user: String?, after: [UInt8]? = nil, limit: Int = 10) async throws(Failure) -> VaultPage {
        try await vault.list(user: user.map { VaultUser(id: $0, tag: []) }, after: after, limit: limit, deadline: fixture.deadline)
    }

    @Test func aUsersListHasAFilter() async throws {
        let vault = try fixture.vault()
        _ = try await list(vault, user: "user123", limit: 7)
        let hashed = "ai2-connectors-h-4ydohcynrqm3ethq5y4aqgbrmlvhzvr766is3ozcwxuagkdlirda-"
        #expect(
            fixture.fake.requests.map(\.path) == [
                "/v1/projects/my-project/secrets?pageSize=7&filter=name%3Aai2-connectors-ovzwk4rrgizq-%20OR%20name%3A\(hashed)"
            ])
    }

    @Test func recordsOfLongIdsAreListedByTheirAnnotations() async throws {
        let vault = try fixture.vault()
        let key = try fixture.key(String(repeating: "u", count: 256), "c")
        _ = try await vault.write(key, fixture.item(), condition: .none, deadline: fixture.deadline)
        for user in [key.key.user, nil] {
            #expect(try await list(vault, user: user).entries.map(\.name) == [.key(key.key)])
        }
        #expect(try await list(vault, user: "u").entries.isEmpty)
    }

    @Test func whatIsNotOursIsLeftOut() async throws {
        for name in ["other", "ai2-connectors", "ai2-connectors-check", "my-ai2-connectors-me-mi", "ai2-connectors-h-a-b"] {
            fixture.fake.put(name, Self.json, annotations: .object([("coffer-user", .string("u")), ("coffer-connection", .string("c"))]))
        }
        _ = try await fixture.write(try fixture.vault(), fixture.item())
        #expect(try await list(try fixture.vault(), user: nil).entries.map(\.name) == [.key(try fixture.key().key)])
    }

    @Test func oneUnreadableRecordIsAnEntryOfItsOwn() async throws {
        let vault = try fixture.vault()
        _ = try await fixture.write(vault, fixture.item())
        fixture.fake.put("ai2-connectors-me-mi", "coffer1b")
        let entries = try await list(vault, user: nil).entries
        #expect(entries.count == 2)
        #expect(entries.count { if case .failure(let failure) = $0.item { failure.isOfOneRecord } else { false } } == 1)
    }

    @Test(arguments: [[], [1], Array("gcp1".utf8), Array("gcp1012345678".utf8)] as [[UInt8]])
    func foreignCursorsAreRefused(cursor: [UInt8]) async throws {
        let found = await failure { () async throws(Failure) in try await list(try fixture.vault(), user: nil, after: cursor) }
        #expect(found?.code == .invalidArgument && found?.message.contains("page_token") == true)
    }

    @Test func aTokenThatTheServiceRefusesIsTheCallers() async throws {
        let cursor = GoogleListCursor(token: "made up").bytes(listing: "ai2-connectors-")
        let found = await failure { () async throws(Failure) in try await list(try fixture.vault(), user: nil, after: cursor) }
        #expect(found?.message.contains("page_token") == true)
    }

    // MARK: Check

    @Test func aCheckIsOneCallForANameThatNoRecordHas() async throws {
        try await fixture.vault().check(deadline: fixture.deadline)
        #expect(fixture.fake.requests.map(\.path) == ["/v1/projects/my-project/secrets/ai2-connectors-check/versions/latest:access"])
        fixture.fake.plan(.access, 403, "PERMISSION_DENIED")
        await #expect(throws: Failure.self) { try await fixture.vault().check(deadline: fixture.deadline) }
    }
}
