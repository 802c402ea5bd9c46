import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Synchronization
import Testing

@testable import CofferCloudflare

/// What the Secrets Store is sent.
@Suite(.timeLimit(.minutes(1))) struct CloudflareSecretsStoreTests {
    private let fixture = CloudflareFixture()
    private static let name = "c-ovzwk4rrgizq-mnxw43rugu3a"

    private func write(_ store: CloudflareSecretsStore, _ text: String) async throws {
        _ = try await store.write(
            try fixture.key(), fixture.item("v", .text(Secret(text))), condition: .none, deadline: fixture.deadline)
    }

    private var secrets: [FakeCloudflare.SecretEntry] { fixture.fake.state.withLock { $0.secrets } }

    @Test func aSecretIsCreatedReplacedAndDeleted() async throws {
        let store = fixture.store(scopes: ["workers", "ai_gateway"])
        try await write(store, #"{"a":1}"#)
        #expect(secrets.map(\.name) == [Self.name] && secrets.map(\.value) == [#"{"a":1}"#])
        #expect(secrets.map(\.scopes) == [["workers", "ai_gateway"]])
        try await write(fixture.store(), #"{"a":2}"#)
        #expect(secrets.map(\.value) == [#"{"a":2}"#] && secrets.map(\.scopes) == [["workers"]])
        #expect(fixture.fake.calls == ["GET stores/secrets", "POST stores/secrets", "GET stores/secrets", "PATCH stores/secrets"])
        let created = fixture.fake.requests[1].sentText
        #expect(created == #"[{"name":"\#(Self.name)","value":"{\"a\":1}","scopes":["workers","ai_gateway"]}]"#)
        #expect(FakeCloudflare.query(fixture.fake.requests[0].path) == ["search": Self.name, "page": "1", "per_page": "100"])
        #expect(try await store.remove(try fixture.key(), ifVersion: nil, deadline: fixture.deadline))
        #expect(try await store.remove(try fixture.key(), ifVersion: nil, deadline: fixture.deadline) == false)
        #expect(secrets.isEmpty)
    }

    @Test func theSearchesOtherFindingsAreLeftAlone() async throws {
        fixture.fake.state.withLock {
            $0.secrets.append(
                FakeCloudflare.SecretEntry(
                    id: String(repeating: "1", count: 32), name: Self.name + "-x", value: "theirs", scopes: []))
        }
        try await write(fixture.store(), "{}")
        #expect(secrets.map(\.value) == ["theirs", "{}"])
    }

    @Test func aRaceIsStartedOverOnce() async throws {
        fixture.fake.plan("POST stores/secrets", 409, code: 1003, "secret_name_already_exists")
        try await write(fixture.store(), "{}")
        #expect(secrets.count == 1)
        for _ in 0..<2 { fixture.fake.plan("PATCH stores/secrets", 404, code: 1001, "secret_not_found") }
        let (store, key) = (fixture.store(), try fixture.key())
        let failure = await fixture.failure { () throws(Failure) in
            try await store.write(key, fixture.item(), condition: .none, deadline: fixture.deadline)
        }
        #expect(failure?.code == .aborted && failure?.retryable == true)
        #expect(failure?.message.contains("deleted the secret at the same time") == true)
    }

    @Test func aQuotaThatIsUsedUpIsSaidWithItsFigures() async throws {
        fixture.fake.state.withLock { $0.quota = 0 }
        let (store, key) = (fixture.store(), try fixture.key())
        let failure = await fixture.failure { () throws(Failure) in
            try await store.write(key, fixture.item(), condition: .none, deadline: fixture.deadline)
        }
        #expect(failure?.code == .resourceExhausted && failure?.effects.vault == .answered && failure?.retryable == false)
        #expect(failure?.message.hasSuffix("(0 of 0 are used)") == true)
    }

    @Test func aReadSaysWhyThereIsNoneAndWhatToUse() async throws {
        let (store, key) = (fixture.store(), try fixture.key())
        let failure = await fixture.failure { () throws(Failure) in try await store.read(key, deadline: fixture.deadline) }
        #expect(failure?.code == .failedPrecondition && failure?.isUnsent == true)
        #expect(failure?.message.contains("is write-only") == true && failure?.message.contains("route records") == true)
        #expect(fixture.fake.requests.isEmpty)
    }

    @Test func theLargestSecretIsTaken() async throws {
        let store = fixture.store()
        try await write(store, String(repeating: "x", count: 65_536))
        let key = try fixture.key()
        for payload in [VaultPayload.text(Secret(String(repeating: "x", count: 65_537))), .sealed([UInt8](repeating: 1, count: 49_147))] {
            let failure = await fixture.failure { () throws(Failure) in
                try await store.write(key, fixture.item("v", payload), condition: .none, deadline: fixture.deadline)
            }
            #expect(failure?.code == .invalidArgument && failure?.message.contains("65536") == true)
        }
        #expect(fixture.fake.calls.count == 2)
    }

    /// Its search finds parts of names too, and its pages may be smaller than they were asked to be.
    @Test(arguments: [true, false]) func findsASecretOnALaterPage(tellsPages: Bool) async throws {
        try await write(fixture.store(), "{}")
        fixture.fake.state.withLock { state in
            (state.secretsInPage, state.tellsPages) = (20, tellsPages)
            let name = state.secrets[0].name
            let others = (0..<50).map { number in
                FakeCloudflare.SecretEntry(
                    id: String(repeating: "e", count: 30) + "\(number + 10)", name: "\(name)-\(number)", value: "", scopes: [])
            }
            state.secrets = others + state.secrets
        }
        try await write(fixture.store(), "[]")
        #expect(secrets.count == 51 && secrets.last?.value == "[]")
        let key = try fixture.key("nobody")
        #expect(try await fixture.store().remove(key, ifVersion: nil, deadline: fixture.deadline) == false)
    }

    @Test func anUnknownRefusalIsNoQuota() async throws {
        fixture.fake.plan("POST stores/secrets", 400, code: 1003, "something else")
        let (store, key) = (fixture.store(), try fixture.key())
        let failure = await fixture.failure { () throws(Failure) in
            try await store.write(key, fixture.item(), condition: .none, deadline: fixture.deadline)
        }
        #expect(failure?.code == .invalidArgument && failure?.message.contains("quota") == false)
    }

    @Test(arguments: [nil, "default"])
    func theStoreIsFound(name: String?) async throws {
        try await write(fixture.store(name), "{}")
        #expect(fixture.fake.calls.prefix(3) == ["GET stores", "GET stores", "GET stores/secrets"] && secrets.count == 1)
    }

    @Test func aStoreThatNobodyHasIsSaid() async throws {
        let (store, deadline) = (fixture.store("another"), fixture.deadline)
        let failure = await fixture.failure { () throws(Failure) in try await store.check(deadline: deadline) }
        #expect(failure?.code == .failedPrecondition && failure?.message.contains("no store named another") == true)
    }
}
