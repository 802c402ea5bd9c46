import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Synchronization
import Testing

@testable import CofferCloudflare

/// What Workers KV is sent, and what becomes of what it gives.
@Suite(.timeLimit(.minutes(1))) struct CloudflareVaultTests {
    private let fixture = CloudflareFixture()

    private static func text(_ text: String) -> VaultPayload { .text(Secret(text)) }

    private func put(_ name: String, _ value: String, _ metadata: String? = nil, expiration: UInt64? = nil) {
        fixture.fake.state.withLock {
            $0.keys[ByteText(name)] = FakeCloudflare.Entry(
                value: value, metadata: metadata.flatMap { try? JSON.parse(Secret($0)) }, expiration: expiration)
        }
    }

    private func entry(_ name: String = "connectors:user123:conn456") -> FakeCloudflare.Entry? {
        fixture.fake.state.withLock { $0.keys[ByteText(name)] }
    }

    private func metadata() -> String { entry()?.metadata?.encode().text ?? "" }

    private func read(_ user: String = "user123", _ connection: String = "conn456") async throws -> VaultItem? {
        try await fixture.vault().read(try fixture.key(user, connection), deadline: fixture.deadline)
    }

    // MARK: Requests

    @Test func aReadIsOneBulkReadOfOneKey() async throws {
        _ = try await read()
        let request = try #require(fixture.fake.requests.first)
        #expect(fixture.fake.requests.count == 1 && request.method == .post)
        let namespace = "/client/v4/accounts/\(FakeCloudflare.account)/storage/kv/namespaces/\(FakeCloudflare.namespace)"
        #expect(request.path == namespace + "/bulk/get")
        #expect(request.sentText == #"{"keys":["connectors:user123:conn456"],"type":"text","withMetadata":true}"#)
        #expect(request.sent("authorization") == "Bearer the-token")
        #expect(request.sent("content-type") == "application/json")
    }

    @Test func aWriteIsAReadAndAForm() async throws {
        let item = fixture.item("v1", expiresAt: fixture.manual.wall + 90_500)
        _ = try await fixture.vault().write(
            try fixture.key("user:12", "c"), item, condition: .none, deadline: fixture.deadline)
        #expect(fixture.fake.calls == ["POST bulk/get", "PUT values"])
        let request = fixture.fake.requests[1]
        #expect(request.path.hasSuffix("/values/connectors%3Auser%253A12%3Ac?expiration_ttl=91"))
        #expect(request.sent("content-type")?.hasPrefix("multipart/form-data; boundary=coffer") == true)
        let form = FakeCloudflare.form(request)
        #expect(form["value"] == #"{"coffer":"coffer1:AQID","version":"v1","created":1800000000000,"updated":1800000000000,"expires":1800000090500}"#)
        #expect(form["metadata"] == #"{"userId":"user:12","connectionId":"c","createdAt":"2027-01-15T08:00:00.000Z"}"#)
    }

    @Test func aRecordWithoutExpiryNamesNone() async throws {
        _ = try await fixture.vault().write(try fixture.key(), fixture.item(), condition: .none, deadline: fixture.deadline)
        #expect(FakeCloudflare.query(fixture.fake.requests[1].path).isEmpty)
    }

    @Test func aTTLBelowAMinuteIsAMinuteToCloudflare() async throws {
        let item = fixture.item("v1", Self.text("{}"), expiresAt: fixture.manual.wall + 5_000)
        _ = try await fixture.vault().write(try fixture.key(), item, condition: .none, deadline: fixture.deadline)
        #expect(FakeCloudflare.query(fixture.fake.requests[1].path) == ["expiration_ttl": "60"])
        #expect(try await read()?.expiresAt == item.expiresAt)
        fixture.advance(milliseconds: 5_000)
        #expect(try await read() == nil && entry() != nil)
    }

    @Test func twoHundredAndOneKeysAreThreeCalls() async throws {
        put("connectors:u:c7", #"{"n":7}"#)
        let keys = try (0..<201).map { try fixture.key("u", "c\($0)") }
        let found = await fixture.vault().readMany(keys, deadline: fixture.deadline)
        #expect(fixture.fake.calls == [String](repeating: "POST bulk/get", count: 3))
        #expect(try found.map { try $0.get() != nil } == (0..<201).map { $0 == 7 })
    }

    @Test func anAnswerThatIsTooLargeIsAskedForInHalves() async throws {
        for number in 0..<4 { put("connectors:u:c\(number)", #"{"n":\#(number)}"#) }
        for _ in 0..<2 { fixture.fake.plan("POST bulk/get", .error(HTTPError(.tooLarge(limit: 9), isUnsent: false))) }
        fixture.fake.plan("POST bulk/get", 413, code: 10024)
        let keys = try (0..<4).map { try fixture.key("u", "c\($0)") }
        let found = await fixture.vault().readMany(keys, deadline: fixture.deadline)
        // The whole, its first half, and of that the first key alone: nobody's record is as large.
        #expect(found.map { (try? $0.get())?.payload } == [nil] + (1..<4).map { Self.text(#"{"n":\#($0)}"#) })
        #expect(throws: Failure.unreadable(vault: "kv")) { try found[0].get() }
    }

    // MARK: Records of the TypeScript code

    @Test func aRecordOfTheTypeScriptCodeIsRead() async throws {
        put(
            "connectors:auth0|5f7c:my mail account", #"{"apiKey":"s"}"#,
            #"{"userId":"auth0|5f7c","connectionId":"my mail account","createdAt":"2026-11-25T15:53:31.123Z"}"#,
            expiration: 1_831_536_000)
        let item = try #require(try await read("auth0|5f7c", "my mail account"))
        #expect(item.payload == Self.text(#"{"apiKey":"s"}"#) && item.version == "at-1795622011123")
        #expect(item.createdAt == 1_795_622_011_123 && item.updatedAt == item.createdAt)
        #expect(item.expiresAt == 1_831_536_000_000)
    }

    @Test func aTextIsWrittenAsItIs() async throws {
        let vault = fixture.vault()
        let first = fixture.item("0123456789abcdef01234567", Self.text(#"{"a": "ü\n"}"#))
        let receipt = try await vault.write(try fixture.key(), first, condition: .none, deadline: fixture.deadline)
        #expect(entry()?.value == #"{"a": "ü\n"}"#)
        #expect(try await read() == first && receipt == VaultReceipt(version: first.version, createdAt: first.createdAt))
        fixture.advance(milliseconds: 2_000)
        let second = fixture.item("1123456789abcdef01234567", Self.text("{}"), expiresAt: fixture.manual.wall + 100_000)
        #expect(
            try await vault.write(try fixture.key(), second, condition: .none, deadline: fixture.deadline).createdAt
                == first.createdAt)
        #expect(
            metadata()
                == #"{"userId":"user123","connectionId":"conn456","createdAt":"2027-01-15T08:00:00.000Z","updatedAt":"2027-01-15T08:00:02.000Z","version":"1123456789abcdef01234567","expiresAt":"2027-01-15T08:01:42.000Z"}"#)
        let found = try #require(try await read())
        #expect(found.version == second.version && found.updatedAt == second.updatedAt && found.expiresAt == second.expiresAt)
    }

    @Test(arguments: [nil, "null", "[1]", #"{"createdAt":7,"version":""}"#, #"{"version":"a b","createdAt":"yesterday"}"#])
    func aTextWithoutItsTimesHasAVersionOfItsOwn(metadata: String?) async throws {
        let vault = fixture.vault()
        var versions: Set<String> = []
        for value in ["{}", #"{"a":1}"#, "{}"] {
            put("connectors:user123:conn456", value, metadata)
            let item = try #require(try await vault.read(try fixture.key(), deadline: fixture.deadline))
            #expect(item.version.hasPrefix("sum-") && item.createdAt == 0)
            versions.insert(item.version)
        }
        #expect(versions.count == 2)
        // It tells nothing of the text: another daemon has others.
        let other = try #require(try await fixture.vault().read(try fixture.key(), deadline: fixture.deadline))
        #expect(!versions.contains(other.version))
    }

    @Test(arguments: [
        #"{"coffer":"coffer1:AQID","version":""}"#, #"{"coffer":"coffer1:!","version":"v"}"#,
        #"{"coffer":"coffer1:AQID","version":"v","expires":-1}"#,
    ])
    func aDamagedRecordIsUnreadableAndNoOther(value: String) async throws {
        put("connectors:user123:conn456", value)
        put("connectors:user123:sound", "{}")
        let vault = fixture.vault()
        let key = try fixture.key()
        let failure = await fixture.failure { () throws(Failure) in try await vault.read(key, deadline: fixture.deadline) }
        #expect(failure == .unreadable(vault: "kv"))
        let page = try await vault.list(user: nil, after: nil, limit: 10, deadline: fixture.deadline)
        #expect(page.entries.map { (try? $0.item.get()) != nil } == [false, true])
    }

    @Test func aTextThatLooksSealedIsRefused() async throws {
        let (vault, key) = (fixture.vault(), try fixture.key())
        let item = fixture.item("v", Self.text(#"{"coffer":"coffer1:AQID"}"#))
        let failure = await fixture.failure { () throws(Failure) in
            try await vault.write(key, item, condition: .none, deadline: fixture.deadline)
        }
        #expect(failure?.code == .invalidArgument && fixture.fake.requests.isEmpty)
    }

    @Test func metadataThatWouldBeTooLargeLeaveTheIDsOut() async throws {
        let key = try fixture.key(String(repeating: "\"", count: 250), String(repeating: "\\", count: 240))
        let vault = fixture.vault()
        try vault.checkName(of: key.key)
        _ = try await vault.write(key, fixture.item("v", Self.text("{}")), condition: .none, deadline: fixture.deadline)
        let kept = FakeCloudflare.form(fixture.fake.requests[1])["metadata"] ?? ""
        #expect(kept.utf8.count <= 1_024 && !kept.contains("userId") && kept.contains("createdAt"))
        #expect(try await vault.read(key, deadline: fixture.deadline)?.version == "v")
    }

    // MARK: Writes

    @Test func aLostAnswerIsTheSameWrite() async throws {
        let (vault, key, item) = (fixture.vault(), try fixture.key(), fixture.item())
        fixture.fake.plan("PUT values", .lost)
        let failure = await fixture.failure { () throws(Failure) in
            try await vault.write(key, item, condition: .none, deadline: fixture.deadline)
        }
        #expect(failure?.mayHaveWritten == true && failure?.retryable == true)
        fixture.fake.forget()
        #expect(try await vault.write(key, item, condition: .none, deadline: fixture.deadline).version == item.version)
        #expect(fixture.fake.calls == ["POST bulk/get"])
    }

    @Test func aKeyIsWrittenOnceASecond() async throws {
        let (vault, key) = (fixture.vault(), try fixture.key())
        let before = fixture.manual.boot
        for version in ["v1", "v2", "v3"] {
            _ = try await vault.write(key, fixture.item(version), condition: .none, deadline: fixture.deadline)
        }
        _ = try await vault.remove(key, ifVersion: nil, deadline: fixture.deadline)
        #expect(fixture.manual.boot >= before + CloudflareWritePacing.interval * 3)
        // Another key need not wait.
        let then = fixture.manual.boot
        _ = try await vault.write(
            try fixture.key("u", "c"), fixture.item(), condition: .none, deadline: fixture.deadline)
        #expect(fixture.manual.boot == then)
    }

    @Test func aWriteWhoseTurnComesTooLateIsRefused() async throws {
        let (vault, key) = (fixture.vault(), try fixture.key())
        _ = try await vault.write(key, fixture.item(), condition: .none, deadline: fixture.deadline)
        let soon = fixture.manual.boot + .milliseconds(500)
        let failure = await fixture.failure { () throws(Failure) in
            try await vault.write(key, fixture.item("v2"), condition: .none, deadline: soon)
        }
        #expect(failure?.code == .resourceExhausted && failure?.isUnsent == true && failure?.effects.vault == .answered)
        #expect(failure?.mayHaveWritten == false && fixture.fake.calls.count { $0 == "PUT values" } == 1)
    }

    /// Nobody waits long for a key that many write: who waits keeps a place that writers of other keys could have.
    @Test func writersOfAHotKeyAreRefusedAtOnce() async throws {
        let fixture = self.fixture
        let manual = fixture.manual
        let vault = fixture.vault(pause: { duration in
            let end = manual.boot + duration
            while manual.boot < end, !Task.isCancelled { try? await Task.sleep(for: .milliseconds(1)) }
        })
        let hot = try fixture.key()
        /// Writes that have ended, and those of them that were refused.
        let (ended, refused) = (Counter(), Counter())
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<20 {
                group.addTask {
                    let failure = await fixture.failure { () throws(Failure) in
                        try await vault.write(hot, fixture.item("v\(number)"), condition: .none, deadline: fixture.deadline)
                    }
                    if let failure {
                        refused.add()
                        #expect(failure.code == .resourceExhausted && failure.isUnsent && failure.retryAfterMilliseconds >= 1_000)
                    }
                    ended.add()
                }
            }
            // All but one end without that any time passes, and writers of another key wait for nobody.
            while ended.count < 19 { try await Task.sleep(for: .milliseconds(1)) }
            #expect(refused.count == 18)
            _ = try await vault.write(try fixture.key("another"), fixture.item(), condition: .none, deadline: fixture.deadline)
            manual.advance(milliseconds: 1_051)
            try await group.waitForAll()
        }
        #expect(ended.count == 20 && refused.count == 18 && fixture.fake.calls.count { $0 == "PUT values" } == 3)
    }

    @Test func turnsAreGivenInOrder() {
        let (pacing, key, now) = (CloudflareWritePacing(), ByteText("k"), fixture.manual.boot)
        let (far, second) = (now + .seconds(60), now + CloudflareWritePacing.interval)
        #expect(pacing.reserve(key, now: now, latest: far) == .at(now))
        #expect(pacing.reserve(key, now: now, latest: second) == .tooFar(second))
        #expect(pacing.reserve(key, now: now, latest: far) == .at(second))
        let third = second + CloudflareWritePacing.interval
        #expect(pacing.reserve(key, now: now, latest: far) == .tooFar(third))
        #expect(pacing.reserve(key, now: now + .milliseconds(200), latest: far) == .at(third))
        // A write that takes long puts off those that come after it.
        pacing.end(key, now: third + .seconds(5))
        #expect(pacing.reserve(key, now: third + .seconds(5), latest: far) == .at(third + .seconds(5) + CloudflareWritePacing.interval))
        #expect(pacing.reserve(ByteText("other"), now: now, latest: far) == .at(now))
    }

    // MARK: Listings

    @Test func aPageOfOneIsCutFromTen() async throws {
        for number in 0..<12 { put("connectors:u:c\(number + 10)", "{}") }
        put("connectors:u2:c", "{}")
        put("connectors:u:a:b", "{}")
        let vault = fixture.vault()
        let user = VaultUser(id: "u", tag: [])
        var (names, cursor): ([String], [UInt8]?) = ([], nil)
        repeat {
            let page = try await vault.list(user: user, after: cursor, limit: 1, deadline: fixture.deadline)
            for case .key(let key) in page.entries.map(\.name) { names.append(key.connection) }
            // What was listed already goes away meanwhile.
            if names.count == 3 { fixture.fake.state.withLock { $0.keys[ByteText("connectors:u:c10")] = nil } }
            cursor = page.next
        } while cursor != nil
        #expect(names == (10..<22).map { "c\($0)" })
        #expect(fixture.fake.requests.filter { $0.method == .get }.allSatisfy { FakeCloudflare.query($0.path)["limit"] == "10" })
    }

    @Test func listsAKeyOnceThatThePageRepeats() async throws {
        for name in ["connectors:u:jos\u{E9}", "connectors:u:jose\u{301}"] { put(name, "{}") }
        let names = ["jose\u{301}", "jose\u{301}", "jos\u{E9}", "jos\u{E9}"].map { "connectors:u:" + $0 }
        let body = JSON.object([
            ("success", .bool(true)), ("result", .array(names.map { .object([("name", .string($0))]) })),
        ])
        fixture.fake.plan("GET keys", .response(HTTPResponse(status: 200, body: body.encode())))
        let page = try await fixture.vault().list(user: nil, after: nil, limit: 10, deadline: fixture.deadline)
        #expect(page.entries.count == 2 && page.entries.allSatisfy { (try? $0.item.get()) != nil })
    }

    @Test func aCursorOfAnotherListingIsRefused() async throws {
        for number in 0..<12 { put("connectors:u:c\(number)", "{}") }
        let vault = fixture.vault()
        let page = try await vault.list(user: VaultUser(id: "u", tag: []), after: nil, limit: 2, deadline: fixture.deadline)
        let failure = await fixture.failure { () throws(Failure) in
            try await vault.list(user: nil, after: page.next, limit: 2, deadline: fixture.deadline)
        }
        #expect(failure == CloudflareListCursor.refused)
    }

    // MARK: Finding account and namespace

    @Test func namesAreLookedUpOnce() async throws {
        var fixture = CloudflareFixture()
        (fixture.account, fixture.namespace) = (nil, "credentials")
        let vault = fixture.vault()
        for _ in 0..<2 { _ = try await vault.read(try fixture.key(), deadline: fixture.deadline) }
        #expect(
            fixture.fake.calls == [
                "GET accounts", "GET accounts", "GET accounts/storage/kv/namespaces", "GET accounts/storage/kv/namespaces",
                "POST bulk/get", "POST bulk/get",
            ])
        // Removed and made again under the same title: it is looked for again.
        fixture.fake.plan("POST bulk/get", 404, code: 10013)
        let key = try fixture.key()
        let failure = await fixture.failure { () throws(Failure) in try await vault.read(key, deadline: fixture.deadline) }
        #expect(failure?.code == .failedPrecondition)
        fixture.fake.forget()
        _ = try await vault.read(key, deadline: fixture.deadline)
        #expect(fixture.fake.calls.count == 5)
    }

    @Test func aTitleThatNobodyHasIsSaid() async throws {
        var fixture = CloudflareFixture()
        fixture.namespace = "another"
        let (vault, deadline) = (fixture.vault(), fixture.deadline)
        let failure = await fixture.failure { () throws(Failure) in try await vault.check(deadline: deadline) }
        #expect(failure?.code == .failedPrecondition && failure?.reason == .vaultRefused)
        #expect(failure?.message.contains("no KV namespace named another; set kv_namespace") == true)
    }

    /// Two calls for each Get would use up what Cloudflare allows.
    @Test func aTitleThatNobodyHasIsLookedUpEveryFiveSeconds() async throws {
        var fixture = CloudflareFixture()
        fixture.namespace = "another"
        let vault = fixture.vault()
        for round in 1...3 {
            for number in 0..<20 {
                let deadline = fixture.deadline
                let failure = await fixture.failure { () throws(Failure) in try await vault.check(deadline: deadline) }
                #expect(failure?.code == .failedPrecondition && failure?.isRemembered == (number > 0))
            }
            #expect(fixture.fake.calls.count == 2 * round)
            fixture.advance(milliseconds: 5_000)
        }
    }

    @Test(arguments: [0, 2])
    func anAccountThatIsNotTheOnlyOneMustBeNamed(count: Int) async throws {
        var fixture = CloudflareFixture()
        fixture.account = nil
        let accounts = (0..<count).map { number in
            JSON.object([("id", .string(String(repeating: "\(number)", count: 32))), ("name", .string("n"))])
        }
        let body = JSON.object([
            ("success", .bool(true)), ("result", .array(accounts)), ("result_info", .object([("total_pages", .integer(1))])),
        ])
        fixture.fake.plan("GET accounts", .response(HTTPResponse(status: 200, body: body.encode())))
        let (vault, deadline) = (fixture.vault(), fixture.deadline)
        let failure = await fixture.failure { () throws(Failure) in try await vault.check(deadline: deadline) }
        #expect(failure?.code == .failedPrecondition && failure?.message.contains("account_id") == true)
    }
}

private final class Counter: Sendable {
    private let value = Mutex(0)
    var count: Int { value.withLock { $0 } }
    func add() { value.withLock { $0 += 1 } }
}
