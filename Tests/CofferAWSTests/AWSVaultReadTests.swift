import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Synchronization
import Testing

@testable import CofferAWS

/// What a Get, a GetMany and a List ask and make of the answers.
@Suite struct AWSVaultReadTests {
    private let fixture = AWSFixture()
    private var fake: FakeSecretsManager { fixture.fake }

    private func put(_ name: String, _ text: String) {
        fake.state.withLock {
            $0.secrets[name] = .init(text: text, token: "11111111-2222", created: 1_700_000_000.25, body: .null)
        }
    }

    private func keys(_ count: Int) throws -> [VaultKey] { try (0..<count).map { try fixture.key("u", "c\($0)") } }

    // MARK: Formats

    @Test(arguments: [
        #"{"apiKey":"sk_123"}"#, #"{"coffer":"other"}"#, #"{"coffer":1}"#, "not json", #"["coffer1:"]"#, #"{"a":1}{"#,
        "000102030405060708090a0b0c0d0e0f:43ef096e70d29336664ebc1447be5dbe:84f2",
    ])
    func readsTextOfOthers(_ text: String) async throws {
        put("ai2-connectors/user123/conn456", text)
        let item = try await fixture.vault().read(try fixture.key(), deadline: fixture.deadline)
        #expect(
            item
                == VaultItem(
                    payload: .text(Secret(text)), version: "11111111-2222", createdAt: 1_700_000_000_250,
                    updatedAt: 1_700_000_000_250, expiresAt: 0))
    }

    @Test func writesTextAsItIs() async throws {
        let vault = try fixture.vault()
        let text = #"{"apiKey":"sk_123"}"#
        let item = fixture.item("0123456789abcdef01234567", .text(Secret(text)))
        let created = try await vault.write(try fixture.key(), item, condition: .none, deadline: fixture.deadline)
        // Text has no room for times of ours: the version's own is in its token.
        let written = try #require(AWSToken.time(ofVersion: item.version))
        #expect(created == VaultReceipt(version: item.version, createdAt: written, updatedAt: written))
        #expect(fake.calls == ["PutSecretValue", "CreateSecret"])
        #expect(fake.bodies.last?["SecretString"]?.text == text)
        #expect(fake.bodies.last?["ClientRequestToken"]?.text == "coffer--0123456789abcdef01234567")
        // What was written is what is read.
        #expect(try await vault.read(try fixture.key(), deadline: fixture.deadline)?.version == item.version)
    }

    @Test(arguments: ["a", "0123456789", String(repeating: "f", count: 57)])
    func versionsOfTextComeBack(_ version: String) throws {
        let token = AWSToken.token(of: fixture.item(version, .text(Secret("{}"))), secret: "s")
        #expect((32...64).contains(token.utf8.count) && AWSToken.version(ofVersionID: token) == version)
    }

    @Test(arguments: ["", "a-b", "-", "ü", String(repeating: "f", count: 58)])
    func versionsThatAreNoTokensAreHashed(_ version: String) throws {
        let token = AWSToken.token(of: fixture.item(version, .text(Secret("{}"))), secret: "s")
        #expect(token.split(separator: "-").map(\.count) == [8, 4, 4, 4, 12])
        #expect(AWSToken.version(ofVersionID: token) == token)
    }

    @Test(arguments: [#"{"coffer":"coffer1:AQID"}"#, #"{"a":1,"coffer":"coffer1:"}"#])
    func refusesTextThatWouldReadAsSealed(_ text: String) async throws {
        let vault = try fixture.vault()
        let failure = await #expect(throws: Failure.self) {
            try await vault.write(
                try fixture.key(), fixture.item("v", .text(Secret(text))), condition: .none,
                deadline: fixture.deadline)
        }
        #expect(failure?.code == .invalidArgument)
        #expect(
            failure?.message
                == "credential: must not have a member \"coffer\" that begins with \"coffer1:\": it marks sealed records"
        )
        #expect(fake.calls.isEmpty)
    }

    @Test func refusesTextThatIsNotUTF8OrTooLong() async throws {
        let vault = try fixture.vault()
        let broken = SecretWriter.build(count: 2) { $0.append(0xC0FF as UInt16) }
        for text in [broken, Secret(""), Secret(String(repeating: "a", count: 65_537))] {
            let failure = await #expect(throws: Failure.self) {
                try await vault.write(
                    try fixture.key(), fixture.item("v", .text(text)), condition: .none, deadline: fixture.deadline)
            }
            #expect(failure?.code == .invalidArgument)
        }
        let longest = fixture.item("v", .text(Secret(String(repeating: "a", count: 65_536))))
        _ = try await vault.write(try fixture.key(), longest, condition: .none, deadline: fixture.deadline)
    }

    private static let latest = WallMilliseconds(Int64.max)

    @Test func theLargestDocumentFits() throws {
        let item = VaultItem(
            payload: .sealed([UInt8](repeating: 255, count: AWSDocument.maximumPayloadBytes)),
            version: String(repeating: "v", count: 128), createdAt: Self.latest, updatedAt: Self.latest, expiresAt: Self.latest)
        guard case .binary(let bytes) = try AWSDocument.value(of: item, created: Self.latest, vault: "cloud") else {
            Issue.record("not binary")
            return
        }
        #expect(bytes.count == 65_536)
        #expect(SealedBinary.item(bytes.withUnsafeBytes { Secret(copying: $0) }) == item)
    }

    /// As text as long as it fits, so that what is there stays as it was.
    @Test(arguments: [1, 48_900, 48_960, 48_961, 60_000, 65_375]) func everySizeComesBack(size: Int) async throws {
        let vault = try fixture.vault()
        let item = fixture.item("0123456789abcdef01234567", .sealed((0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7) }))
        _ = try await vault.write(try fixture.key(), item, condition: .none, deadline: fixture.deadline)
        let member = size <= AWSDocument.maximumTextPayloadBytes ? "SecretString" : "SecretBinary"
        #expect(fake.bodies.last?[member]?.string != nil)
        #expect(try await vault.read(try fixture.key(), deadline: fixture.deadline) == item)
        let key = try fixture.key("user123", "other")
        let page = try await vault.list(user: nil, after: nil, limit: 9, deadline: fixture.deadline)
        #expect(try page.entries.map { try $0.item.get() } == [item])
        #expect(try await vault.readMany([try fixture.key(), key], deadline: fixture.deadline)[0].get() == item)
    }

    @Test func whatIsTooLargeIsRefusedBeforeAnythingIsSent() async throws {
        let vault = try fixture.vault()
        let item = fixture.item("v", .sealed([UInt8](repeating: 1, count: AWSDocument.maximumPayloadBytes + 1)))
        let failure = await #expect(throws: Failure.self) {
            try await vault.write(try fixture.key(), item, condition: .none, deadline: fixture.deadline)
        }
        #expect(failure?.code == .invalidArgument && failure?.reason == .credentialTooLarge)
        #expect(failure?.message.contains("65375") == true && failure?.vault == "cloud" && fake.calls.isEmpty)
    }

    @Test(arguments: ["", "=", "A===", "AA=A", "A", "AB==", "ABC=", "AAA-", "AQID", "Y29mZmVyMWI="])
    func binaryThatIsNotOursIsUnreadable(_ text: String) async throws {
        fake.plan(
            "GetSecretValue",
            .response(HTTPResponse.aws(200, #"{"VersionId":"v","CreatedDate":1,"SecretBinary":"\#(text)"}"#)))
        let vault = try fixture.vault()
        await #expect(throws: Failure.unreadable(vault: "cloud")) {
            try await vault.read(try fixture.key(), deadline: fixture.deadline)
        }
    }

    @Test func base64ComesBack() {
        for count in 0..<70 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ count) }
            let text = Base64.text(bytes)
            let back = Base64.bytes(JSONString(Secret(text)), limit: 1 << 20)
            #expect(back?.withUnsafeBytes { Array($0) } == bytes)
        }
        #expect(Base64.text([0xFB, 0xFF, 0xFE, 0x3F]) == "+//+Pw==")
    }

    // MARK: Hostile answers

    @Test(arguments: [
        #"{"coffer":"coffer1:AQID"}"#,
        #"{"coffer":"coffer1:!","version":"v","created":1,"updated":1,"expires":0}"#,
        #"{"coffer":"coffer1:AQID","version":"","created":1,"updated":1,"expires":0}"#,
        #"{"coffer":"coffer1:AQID","version":"v","created":-1,"updated":1,"expires":0}"#,
        #"{"coffer":"coffer1:AQID","version":"v","created":1,"updated":1.5,"expires":0}"#,
        #"{"coffer":"coffer1:AQID","version":"ü","created":1,"updated":1,"expires":0}"#,
        #"{"coffer":"coffer1:AQID","version":"v","created":1,"updated":1,"expires":99999999999999999999}"#,
    ])
    func findsDamage(_ text: String) async throws {
        put("ai2-connectors/user123/conn456", text)
        let vault = try fixture.vault()
        await #expect(throws: Failure.unreadable(vault: "cloud")) {
            try await vault.read(try fixture.key(), deadline: fixture.deadline)
        }
    }

    @Test func refusesBinarySecrets() async throws {
        fake.plan(
            "GetSecretValue",
            .response(HTTPResponse.aws(200, #"{"VersionId":"v","CreatedDate":1,"SecretBinary":"AQID"}"#)))
        let vault = try fixture.vault()
        await #expect(throws: Failure.unreadable(vault: "cloud")) {
            try await vault.read(try fixture.key(), deadline: fixture.deadline)
        }
    }

    @Test(arguments: [
        "", "<html>", "[]", "{}", "null", #"{"SecretString":"{}"}"#, #"{"SecretString":"x","VersionId":"v"}"#,
        #"{"SecretString":"x","VersionId":"v","CreatedDate":"1"}"#,
        #"{"SecretString":"x","VersionId":"v","CreatedDate":-1}"#,
        #"{"SecretString":"x","VersionId":"v","CreatedDate":1e300}"#,
        #"{"SecretString":1,"VersionId":"v","CreatedDate":1}"#,
        #"{"SecretString":"x","VersionId":"","CreatedDate":1}"#, #"{"SecretString":"x","SecretString":"y"}"#,
        String(repeating: "[", count: 100_000),
    ])
    func refusesAnswersThatAreNone(_ body: String) async throws {
        fake.plan("GetSecretValue", .response(HTTPResponse.aws(200, body)))
        let vault = try fixture.vault()
        let failure = await #expect(throws: Failure.self) {
            try await vault.read(try fixture.key(), deadline: fixture.deadline)
        }
        #expect(failure == .awsGarbled(vault: "cloud", writing: false))
        #expect(failure?.code == .unavailable)
    }

    @Test func refusesAGarbledAnswerToAWrite() async throws {
        fake.plan("CreateSecret", .response(HTTPResponse.aws(200, "<html>")))
        let vault = try fixture.vault()
        let failure = await #expect(throws: Failure.self) {
            try await vault.write(try fixture.key(), fixture.item(), condition: .none, deadline: fixture.deadline)
        }
        #expect(failure?.code == .internal && failure?.message.hasSuffix("a write may have happened") == true)
    }

    /// A proxy's 404 does not say that the record is gone.
    @Test func absenceIsNeverGuessed() async throws {
        fake.plan("GetSecretValue", .response(HTTPResponse.aws(404, "<html>not found</html>")))
        let vault = try fixture.vault()
        let failure = await #expect(throws: Failure.self) {
            try await vault.read(try fixture.key(), deadline: fixture.deadline)
        }
        #expect(failure?.code == .unavailable)
    }

    // MARK: GetMany

    @Test func asksForAHundredInFiveCalls() async throws {
        for number in stride(from: 0, to: 100, by: 2) { put("ai2-connectors/u/c\(number)", "{\"n\":\(number)}") }
        let found = await (try fixture.vault()).readMany(try keys(100), deadline: fixture.deadline)
        #expect(fake.calls == [String](repeating: "BatchGetSecretValue", count: 5))
        for (number, outcome) in found.enumerated() {
            let item = try outcome.get()
            #expect((item != nil) == number.isMultiple(of: 2))
            if let item { #expect(item.payload == .text(Secret("{\"n\":\(number)}"))) }
        }
    }

    @Test func readsBothListsOfABatch() async throws {
        fake.plan(
            "BatchGetSecretValue",
            .response(
                .aws(
                    200,
                    #"""
                    {"SecretValues":[{"Name":"ai2-connectors/u/c0","VersionId":"v","CreatedDate":1,"SecretString":"x"},
                     {"Name":"ai2-connectors/u/c5","VersionId":"v"},{"Name":"foreign"},{}],
                     "Errors":[{"SecretId":"ai2-connectors/u/c1","ErrorCode":"ResourceNotFoundException"},
                     {"SecretId":"ai2-connectors/u/c2","ErrorCode":"AccessDeniedException","Message":"no"},
                     {"SecretId":"ai2-connectors/u/c3","ErrorCode":"DecryptionFailure"}, {"ErrorCode":"x"}]}
                    """#)))
        put("ai2-connectors/u/c4", "left out")
        let found = await (try fixture.vault()).readMany(try keys(6), deadline: fixture.deadline)
        #expect(try found[0].get()?.payload == .text(Secret("x")))
        #expect(try found[1].get() == nil)
        #expect(found[2].failure?.code == .permissionDenied)
        #expect(found[3].failure?.code == .failedPrecondition)
        #expect(try found[4].get()?.payload == .text(Secret("left out")))
        #expect(found[5].failure == .awsGarbled(vault: "cloud", writing: false))
        #expect(fake.calls == ["BatchGetSecretValue", "GetSecretValue"])
    }

    @Test func asksOneByOneWhereBatchesAreNotAllowed() async throws {
        put("ai2-connectors/u/c1", "{}")
        fake.plan("BatchGetSecretValue", refusal: "AccessDeniedException")
        let vault = try fixture.vault()
        for _ in 0..<2 {
            let found = await vault.readMany(try keys(3), deadline: fixture.deadline)
            #expect(try found.map { try $0.get() != nil } == [false, true, false])
        }
        // Tried once, remembered.
        #expect(fake.calls == ["BatchGetSecretValue"] + [String](repeating: "GetSecretValue", count: 6))
    }

    @Test func eachKeyHasItsOwnFailure() async throws {
        fake.plan("BatchGetSecretValue", refusal: "ThrottlingException")
        put("ai2-connectors/u/c25", "{}")
        let found = await (try fixture.vault()).readMany(try keys(40), deadline: fixture.deadline)
        #expect(found.filter { $0.failure?.code == .resourceExhausted && $0.failure?.retryable == true }.count == 20)
        let late = await (try fixture.vault()).readMany(try keys(2), deadline: fixture.manual.boot)
        #expect(late.allSatisfy { $0.failure?.code == .deadlineExceeded })
    }

    /// By the daemon, which asks for no such name.
    @Test func aNameThatIsTooLongIsRefused() throws {
        let vault = try fixture.vault()
        let long = try fixture.key(String(repeating: ":", count: 200), "c")
        #expect(
            throws: Failure(
                .invalidArgument, .badField,
                "user_id and connection_id make a name of 617 bytes, escapes included; the vault cloud (aws) accepts at most 512; use shorter ids",
                vault: "cloud", isUnsent: true)
        ) { try vault.checkName(of: long.key) }
    }

    // MARK: Listing

    @Test func listsByTheBeginningOfTheName() async throws {
        for name in ["u/a", "u/b", "u2/c", "foreign", "u/d/e"] { put("ai2-connectors/\(name)", "{}") }
        let vault = try fixture.vault()
        let page = try await vault.list(
            user: VaultUser(id: "u", tag: []), after: nil, limit: 10, deadline: fixture.deadline)
        #expect(page.entries.map(\.name) == [.key(try fixture.key("u", "a").key), .key(try fixture.key("u", "b").key)])
        #expect(page.next == nil)
        #expect(fake.calls == ["ListSecrets", "BatchGetSecretValue"])
        #expect(try await vault.list(user: nil, after: nil, limit: 10, deadline: fixture.deadline).entries.count == 3)
    }

    @Test func aCursorIsOfItsListing() async throws {
        for name in ["u/a", "u/b", "u2/a"] { put("ai2-connectors/\(name)", "{}") }
        let vault = try fixture.vault()
        let user = VaultUser(id: "u", tag: [])
        let page = try await vault.list(user: user, after: nil, limit: 1, deadline: fixture.deadline)
        let next = try #require(page.next)
        #expect(try await vault.list(user: user, after: next, limit: 1, deadline: fixture.deadline).entries.count == 1)
        var longer = next
        longer += [UInt8](repeating: 97, count: 5000)
        for (user, cursor) in [
            (nil, next), (VaultUser(id: "u2", tag: []), next), (user, longer),
            (user, Array(next.dropLast(next.count - 12))),
        ] {
            await #expect(throws: AWSListCursor.refused) {
                try await vault.list(user: user, after: cursor, limit: 1, deadline: fixture.deadline)
            }
        }
        // A token that the service itself does not know.
        fake.plan("ListSecrets", refusal: "InvalidNextTokenException")
        await #expect(throws: AWSListCursor.refused) {
            try await vault.list(user: user, after: next, limit: 1, deadline: fixture.deadline)
        }
    }

    @Test(arguments: [
        "{}", #"{"SecretList":1}"#, #"{"SecretList":[],"NextToken":1}"#, #"{"SecretList":[],"NextToken":""}"#,
        #"{"SecretList":[],"NextToken":"\#(String(repeating: "t", count: 4097))"}"#,
        #"{"SecretList":[\#(String(repeating: "1,", count: 100))1]}"#,
    ])
    func refusesListsThatAreNone(_ body: String) async throws {
        fake.plan("ListSecrets", .response(HTTPResponse.aws(200, body)))
        let vault = try fixture.vault()
        await #expect(throws: Failure.awsGarbled(vault: "cloud", writing: false)) {
            try await vault.list(user: nil, after: nil, limit: 1, deadline: fixture.deadline)
        }
    }

    @Test func checksWithASecretThatIsNeverThere() async throws {
        let vault = try fixture.vault()
        try await vault.check(deadline: fixture.deadline)
        #expect(fake.calls == ["GetSecretValue"])
        #expect(fake.bodies[0]["SecretId"]?.text == "ai2-connectors/coffer.check")
        fake.plan("GetSecretValue", refusal: "AccessDeniedException")
        let failure = await #expect(throws: Failure.self) { try await vault.check(deadline: fixture.deadline) }
        #expect(failure?.code == .permissionDenied)
    }
}

extension Result where Failure == CofferCore.Failure {
    var failure: Failure? {
        if case .failure(let failure) = self { failure } else { nil }
    }
}
