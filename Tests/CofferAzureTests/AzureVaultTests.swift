import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Synchronization
import Testing

@testable import CofferAzure

@Suite(.timeLimit(.minutes(1))) struct AzureVaultTests {
    private let fixture = AzureFixture()
    private static let text = #"{"apiKey":"sk_123","secret":"sec_456"}"#

    private func sent(_ operation: FakeKeyVault.Operation) -> HTTPRequest? {
        fixture.fake.requests.last { FakeCall($0).operation == operation }
    }

    // MARK: Writing

    @Test func aWriteIsARequestLikeThis() async throws {
        let vault = try fixture.vault()
        var item = fixture.item("v1", .text(Secret(Self.text)), expiresAt: fixture.manual.wall + 1_500)
        item.updatedAt += 7
        _ = try await fixture.write(vault, item)
        #expect(fixture.fake.calls == [.get, .set])
        #expect(sent(.get)?.path == "/secrets/\(AzureFixture.secret)/?api-version=7.4")
        #expect(sent(.set)?.path == "/secrets/\(AzureFixture.secret)?api-version=7.4")
        #expect(
            sent(.set)?.sentText
                == #"{"value":"{\"apiKey\":\"sk_123\",\"secret\":\"sec_456\"}","contentType":"application/json","attributes":{"enabled":true,"exp":1800000002},"tags":{"coffer-user":"user123","coffer-connection":"conn456","coffer-created":"1800000000007","coffer-updated":"1800000000007","coffer-expires":"1800000001500"}}"#)
        #expect(sent(.set)?.sent("Authorization") == "Bearer token-1" && sent(.set)?.sent("Content-Type") == "application/json")
    }

    @Test func aTextsReceiptIsWhatReadingGives() async throws {
        let vault = try fixture.vault()
        var item = fixture.item("v1", .text(Secret(Self.text)), expiresAt: fixture.manual.wall + 1_500)
        // The service's clock and this host's differ.
        item.updatedAt += 5_007
        let receipt = try await fixture.write(vault, item)
        let found = try #require(try await fixture.read(try fixture.vault()))
        #expect(found.version == receipt.version && found.version.utf8.count == 32)
        #expect(found.updatedAt == item.updatedAt && found.createdAt == receipt.createdAt && found.expiresAt == item.expiresAt)
        // A later one keeps when the record came to be.
        item.updatedAt += 60_000
        #expect(try await fixture.write(vault, item).createdAt == receipt.createdAt)
        #expect(try await fixture.read(vault)?.createdAt == receipt.createdAt)
    }

    @Test func aWriteWhoseAnswerWasLostIsNotMadeTwice() async throws {
        let vault = try fixture.vault()
        fixture.fake.plan(.set, .lost)
        let found = await failure { () async throws(Failure) in try await fixture.write(vault, fixture.item("v1")) }
        #expect(found?.mayHaveWritten == true)
        fixture.fake.forget()
        #expect(try await fixture.write(vault, fixture.item("v1")).version == "v1")
        #expect(fixture.fake.calls == [.get])
    }

    @Test func conditionsAreRefused() async throws {
        let vault = try fixture.vault()
        let key = try fixture.key()
        for condition in [WriteCondition.ifAbsent, .ifVersion("v")] {
            let found = await failure { () async throws(Failure) in
                try await vault.write(key, fixture.item(), condition: condition, deadline: fixture.deadline)
            }
            #expect(found?.code == .failedPrecondition)
        }
        let found = await failure { () async throws(Failure) in
            try await vault.remove(key, ifVersion: "v", deadline: fixture.deadline)
        }
        #expect(found?.code == .failedPrecondition && found?.message.contains("azure") == true)
        #expect(fixture.fake.calls == [] && !vault.capabilities.conditionalWrites && vault.capabilities.nativeExpiry)
    }

    // MARK: Limits

    @Test func theLargestPayloadsFit() async throws {
        let vault = try fixture.vault()
        let largest = AzureDocument.maximumPayloadBytes
        // A version as the daemon gives it.
        let version = String(repeating: "a", count: 24)
        let item = fixture.item(version, .sealed([UInt8](repeating: 7, count: largest)), expiresAt: fixture.manual.wall + 5_000)
        _ = try await fixture.write(vault, item)
        #expect(try await fixture.read(vault)?.payload == item.payload)
        let text = "{\"a\":\"\(String(repeating: "x", count: 25_592))\"}"
        _ = try await fixture.write(vault, fixture.item("v", .text(Secret(text))))
        #expect(try await fixture.read(vault)?.payload == .text(Secret(text)))
    }

    @Test(arguments: [
        VaultPayload.sealed([UInt8](repeating: 7, count: AzureDocument.maximumPayloadBytes + 1)), .sealed([]),
        .text(Secret(String(repeating: "x", count: 25_601))), .text(Secret("")), .text(Secret(#"{"coffer":"coffer1:AA"}"#)),
    ])
    func whatDoesNotFitIsNotSent(payload: VaultPayload) async throws {
        let vault = try fixture.vault()
        let found = await failure { () async throws(Failure) in try await fixture.write(vault, fixture.item("v", payload)) }
        #expect(found?.code == .invalidArgument && fixture.fake.calls == [] && fixture.tokens.requests.isEmpty)
        if found?.reason == .credentialTooLarge {
            #expect(found?.vault == "cloud" && found?.message.contains(payload.envelope == nil ? "25600" : "\(AzureDocument.maximumPayloadBytes)") == true)
        }
    }

    // MARK: Removing

    @Test func aRemovalIsMarkedBefore() async throws {
        let vault = try fixture.vault()
        _ = try await fixture.write(vault, fixture.item())
        fixture.fake.forget()
        #expect(try await fixture.remove(vault))
        #expect(fixture.fake.calls == [.update, .delete])
        #expect(sent(.update)?.sentText == #"{"contentType":"application/vnd.coffer.removed"}"#)
        #expect(try await fixture.read(vault) == nil)
        fixture.fake.forget()
        #expect(try await fixture.remove(vault) == false)
        #expect(fixture.fake.calls == [.update])
    }

    /// The daemon's guard repeats such a Delete itself.
    @Test func aDeleteThatIsRepeatedSaysThatTheRecordWasThere() async throws {
        let vault = try fixture.vault()
        _ = try await fixture.write(vault, fixture.item())
        fixture.fake.plan(.delete, .lost)
        let found = await failure { () async throws(Failure) in try await fixture.remove(vault) }
        #expect(found?.mayHaveWritten == true)
        #expect(try await fixture.remove(vault))
        #expect(try await fixture.remove(vault) == false)
    }

    /// A text may take all that the service keeps of a value.
    @Test(arguments: [(RecordFormat.sealed, AzureDocument.maximumPayloadBytes), (.json, 25_600), (.legacyAES, 25_600)])
    func thePayloadsLimitFitsTheFormat(format: RecordFormat, limit: Int) throws {
        #expect(try fixture.vault(format: format).capabilities.maximumPayloadBytes == limit)
    }

    @Test func whereItIsPurgedOneCallRemovesIt() async throws {
        let fixture = AzureFixture(deleted: .purge)
        let vault = try fixture.vault()
        _ = try await fixture.write(vault, fixture.item())
        fixture.fake.forget()
        #expect(try await fixture.remove(vault))
        #expect(try await fixture.remove(vault) == false)
        #expect(fixture.fake.calls == [.delete, .delete])
    }

    /// Expiry is told by tags, and by `exp` where another program wrote no tags.
    @Test func whatHasExpiredWasNotThere() async throws {
        let vault = try fixture.vault()
        _ = try await fixture.write(vault, fixture.item(expiresAt: fixture.manual.wall + 1_500))
        fixture.advance(milliseconds: 1_500)
        #expect(try await fixture.remove(vault) == false)
        fixture.fake.put("c-me-mi", "{}", [("attributes", .object([("exp", .integer(fixture.manual.wall / 1_000 + 1))]))])
        let key = try fixture.key("a", "b")
        #expect(try await vault.read(key, deadline: fixture.deadline)?.expiresAt == (fixture.manual.wall / 1_000 + 1) * 1_000)
        fixture.advance(milliseconds: 1_000)
        #expect(try await vault.read(key, deadline: fixture.deadline) == nil)
        #expect(try await vault.remove(key, ifVersion: nil, deadline: fixture.deadline) == false)
    }

    /// A policy of the vault's owner may set `exp` on every secret: reading, listing and removing say the same of it.
    @Test(arguments: [VaultPayload.sealed([1, 2, 3]), .text(Secret("{}"))])
    func anothersExpEndsNoRecordOfADaemons(payload: VaultPayload) async throws {
        let vault = try fixture.vault()
        _ = try await fixture.write(vault, fixture.item("v1", payload))
        fixture.fake.change(AzureFixture.secret) { stored in
            let members = (stored.versions[0].body.members ?? []).map { member in
                (name: member.name, value: member.name == "attributes" ? JSON.object([("exp", .integer(1))]) : member.value)
            }
            stored.versions[0].body = .object(members)
        }
        #expect(try await fixture.read(vault)?.expiresAt == 0)
        #expect(try await list(vault).map(\.name) == [.key(try fixture.key().key)])
        #expect(try await fixture.remove(vault))
    }

    @Test func whoMayNotMarkDeletesAllTheSame() async throws {
        let vault = try fixture.vault()
        _ = try await fixture.write(vault, fixture.item())
        fixture.fake.state.withLock { $0.denied = [.update] }
        #expect(try await fixture.remove(vault))
        #expect(try await fixture.read(vault) == nil)
    }

    /// What is marked is removed already for every daemon, though the deletion failed.
    @Test func aMarkedRecordIsNone() async throws {
        let vault = try fixture.vault()
        _ = try await fixture.write(vault, fixture.item())
        fixture.fake.plan(.delete, 403, "Forbidden", "ForbiddenByRbac")
        let found = await failure { () async throws(Failure) in try await fixture.remove(vault) }
        #expect(found?.code == .permissionDenied && found?.mayHaveWritten == true)
        #expect(try await fixture.read(vault) == nil)
        #expect(try await vault.list(user: nil, after: nil, limit: 10, deadline: fixture.deadline).entries.isEmpty)
        let later = fixture.item("v2")
        #expect(try await fixture.write(vault, later).createdAt == later.updatedAt)
        #expect(try await fixture.read(vault)?.version == "v2")
    }

    // MARK: Other programs' secrets

    @Test func readsWhatAnotherProgramWrote() async throws {
        let vault = try fixture.vault()
        fixture.fake.put(AzureFixture.secret, Self.text)
        let found = try #require(try await fixture.read(vault))
        #expect(found.payload == .text(Secret(Self.text)) && found.version.utf8.count == 32)
        #expect(found.createdAt == fixture.manual.wall && found.expiresAt == 0)
    }

    @Test(arguments: ["", #"{"coffer":"coffer1:!"}"#, #"{"coffer":"coffer1:AAEC","version":""}"#])
    func whatIsNoRecordIsUnreadable(value: String) async throws {
        let vault = try fixture.vault()
        fixture.fake.put(AzureFixture.secret, value)
        let found = await failure { () async throws(Failure) in try await fixture.read(vault) }
        #expect(found?.code == .dataLoss && found?.isOfOneRecord == true)
        _ = try await fixture.write(vault, fixture.item("v2"))
        #expect(try await fixture.read(vault)?.version == "v2")
    }

    @Test func aDisabledSecretIsSaidToBeSo() async throws {
        let vault = try fixture.vault()
        _ = try await fixture.write(vault, fixture.item("v1"))
        fixture.fake.change(AzureFixture.secret) { $0.versions[0].isEnabled = false }
        let found = await failure { () async throws(Failure) in try await fixture.read(vault) }
        #expect(found?.code == .failedPrecondition && found?.isOfOneRecord == true)
        _ = try await fixture.write(vault, fixture.item("v2"))
        #expect(try await fixture.read(vault)?.version == "v2")
    }

    // MARK: Lists

    private func list(_ vault: AzureVault, user: String? = nil, limit: Int = 100) async throws -> [VaultPage.Entry] {
        var entries: [VaultPage.Entry] = []
        var cursor: [UInt8]?
        repeat {
            let page = try await vault.list(
                user: user.map { VaultUser(id: $0, tag: []) }, after: cursor, limit: limit, deadline: fixture.deadline)
            entries += page.entries
            cursor = page.next
        } while cursor != nil
        return entries
    }

    @Test func recordsAreFoundAmongOthersSecrets() async throws {
        let vault = try fixture.vault()
        for number in 0..<60 { fixture.fake.put("another-\(number)", "x") }
        fixture.fake.put("c-check", "x")
        fixture.fake.put("C-ME-MI".lowercased(), "{}")
        fixture.fake.put("c-me-nope1", "{}")
        let long = try RecordKey(user: String(repeating: "u", count: 100), connection: "c")
        _ = try await vault.write(VaultKey(key: long, tag: [], userTag: []), fixture.item(), condition: .none, deadline: fixture.deadline)
        fixture.fake.put(AzureFixture.secret, #"{"coffer":"coffer1:!"}"#)
        let entries = try await list(vault)
        #expect(entries.map(\.name) == [.key(try RecordKey(user: "a", connection: "b")), .key(long), .key(try fixture.key().key)])
        #expect(entries.count { if case .failure(let failure) = $0.item { failure.isOfOneRecord } else { false } } == 1)
        #expect(try await list(vault, user: long.user, limit: 1).map(\.name) == [.key(long)])
    }

    /// The ids beside a name are trusted only if they make it.
    @Test func aTagDoesNotMakeARecordAnothers() async throws {
        let vault = try fixture.vault()
        let long = try RecordKey(user: String(repeating: "u", count: 100), connection: "c")
        let name = vault.names.name(of: long)
        fixture.fake.put(name, "{}", [("tags", .object([("coffer-user", .string("victim")), ("coffer-connection", .string("c"))]))])
        #expect(try await list(vault).isEmpty)
    }

    @Test(arguments: [
        "https://evil.example/secrets?$skiptoken=x", "http://my-vault.vault.azure.net/secrets?$skiptoken=x",
        "https://my-vault.vault.azure.net/deletedsecrets?$skiptoken=x", "https://my-vault.vault.azure.net/secrets", "x",
    ])
    func aLinkToElsewhereIsNotFollowed(link: String) async throws {
        let vault = try fixture.vault()
        fixture.fake.plan(.list, .response(.azure(200, #"{"value":[],"nextLink":"\#(link)"}"#)))
        let found = await failure { () async throws(Failure) in
            try await vault.list(user: nil, after: nil, limit: 10, deadline: fixture.deadline)
        }
        #expect(found?.code == .unavailable && fixture.fake.calls == [.list])
    }

    /// Its server tells the name that it has at Azure; the next page is asked for by the name that it is reached by.
    @Test func aVaultByAnotherNameIsListedToo() async throws {
        var options = fixture.options
        options.origin = HTTPOrigin(isSecure: true, host: "vault.internal.example", port: 443)
        options.resource = HTTPOrigin(isSecure: true, host: "vault.azure.net", port: 443)
        let other = AzureFixture(options: options)
        let vault = try other.vault()
        other.fake.plan(.list, .response(.azure(200, #"{"value":[],"nextLink":"https://my-vault.vault.azure.net:443/secrets?api-version=7.4&$skiptoken=x1"}"#)))
        let found = await failure { () async throws(Failure) in
            try await vault.list(user: nil, after: nil, limit: 10, deadline: other.deadline)
        }
        #expect(other.fake.requests.map(\.path) == ["/secrets?api-version=7.4&maxresults=10", "/secrets?api-version=7.4&$skiptoken=x1"])
        // The stand-in has not given such a token; the caller has given none at all.
        #expect(found?.code == .unavailable && found?.message.contains("page_token") == false)
    }

    @Test func aCursorLeadsToAListOfSecretsOnly() async throws {
        let vault = try fixture.vault()
        for path in ["/secrets/x/?api-version=7.4", "/deletedsecrets?x", "/secrets?a b", "/secrets?\r\nX: y", "/secrets?" + String(repeating: "x", count: 2_048)] {
            let cursor = AzureListCursor(path: path).bytes(listing: vault.names.start)
            let found = await failure { () async throws(Failure) in
                try await vault.list(user: nil, after: cursor, limit: 10, deadline: fixture.deadline)
            }
            #expect(found?.code == .invalidArgument && fixture.fake.calls == [], "\(path)")
        }
        let cursor = AzureListCursor(path: "/secrets?api-version=7.4&$skiptoken=nonsense").bytes(listing: vault.names.start)
        let found = await failure { () async throws(Failure) in
            try await vault.list(user: nil, after: cursor, limit: 10, deadline: fixture.deadline)
        }
        #expect(found?.code == .invalidArgument && found?.message.contains("page_token") == true)
    }
}
