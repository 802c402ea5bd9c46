import CofferCore
import CofferCrypto
import CofferHTTP
import CofferVault
import CofferVaultKit
import Testing

@testable import CofferCloudflare

/// What only a server shows: requests as they are sent, lagging reads, answers that break off.
@Suite struct CloudflareLiveTests {
    /// The operations of which `Tests/Live/cloudflare_sdk.py` compares the requests with the official SDK's.
    @Test func sendsWhatTheOfficialSDKSends() async throws {
        let deadline = CloudflareLive.deadline
        // Time stands still, or less than an hour might be left.
        let clock = SettableClock()
        let vault = try CloudflareLive.vault(
            namespace: try CloudflareLive.variable("COMPARED_NAMESPACE"), clock: clock)
        let key = try CloudflareLive.key("user123", "conn456")
        let item = CloudflareLive.item(#"{"apiKey":"s"}"#, ttlSeconds: 3_600, at: clock.wall)
        _ = try await vault.write(key, item, condition: .none, deadline: deadline)
        #expect(try await vault.read(key, deadline: deadline) == item)
        let other = try CloudflareLive.key("user123", "absent")
        #expect(try await vault.readMany([other, key], deadline: deadline).map { try $0.get() != nil } == [false, true])
        let page = try await vault.list(
            user: VaultUser(id: "user123", tag: []), after: nil, limit: 100, deadline: deadline)
        #expect(page.entries.count == 1)
        #expect(try await vault.remove(key, ifVersion: nil, deadline: deadline))

        let secrets = try CloudflareLive.secrets(
            account: try CloudflareLive.variable("COMPARED_ACCOUNT"), store: try CloudflareLive.variable("COMPARED_STORE"))
        for text in ["{}", #"{"n":2}"#] {
            _ = try await secrets.write(key, CloudflareLive.item(text), condition: .none, deadline: deadline)
        }
        #expect(try await secrets.remove(key, ifVersion: nil, deadline: deadline))
    }

    @Test func accountAndNamespaceAreFound() async throws {
        let title = "found by its title \(CloudflareLive.freshID())"
        _ = try await CloudflareLive.namespace(title)
        let vault = CloudflareVault(
            name: "live", client: try CloudflareLive.client(.workersKV), account: nil, namespace: title,
            prefix: "connectors", clock: SystemClock(), random: SystemRandom())
        try await vault.check(deadline: CloudflareLive.deadline)
    }

    private static func keys() throws -> KeyRing {
        let root = RootKey.key(SecretWriter.build(count: 32) { writer in for byte in UInt8(1)...32 { writer.append(byte) } })
        return try KeyRingFile.derive(path: "/keyring", root: root, now: 1).ring
    }

    /// The adapter hides no lag; the records in front of it wait until it is over.
    @Test(.timeLimit(.minutes(1))) func aReadThatLagsIsAskedAgain() async throws {
        let vault = try CloudflareLive.vault(namespace: try await CloudflareLive.namespace("lag-2"))
        let records = RecordStore(
            vault: vault, keys: try Self.keys(), environment: "test", clock: SystemClock(), random: SystemRandom())
        let key = try RecordKey(user: "u", connection: "c")
        let first = try await records.write(
            key, credential: CloudflareLive.secret("one"), labels: [:], ttlSeconds: 0, condition: .none,
            deadline: CloudflareLive.deadline)
        #expect(try await vault.read(try CloudflareLive.key("u", "c"), deadline: CloudflareLive.deadline) == nil)
        #expect(try await records.read(key, deadline: CloudflareLive.deadline)?.version == first.version)
        let second = try await records.write(
            key, credential: CloudflareLive.secret("two"), labels: [:], ttlSeconds: 0, condition: .none,
            deadline: CloudflareLive.deadline)
        #expect(try await records.read(key, deadline: CloudflareLive.deadline)?.version == second.version)
        #expect(try await records.remove(key, ifVersion: nil, deadline: CloudflareLive.deadline))
        #expect(try await records.read(key, deadline: CloudflareLive.deadline) == nil)
    }

    @Test func anOlderStateThanTheWriteIsNotGiven() async throws {
        let vault = try CloudflareLive.vault(namespace: try await CloudflareLive.namespace("lag-60"))
        let records = RecordStore(
            vault: vault, keys: try Self.keys(), environment: "test", clock: SystemClock(), random: SystemRandom())
        let key = try RecordKey(user: "u", connection: "c")
        _ = try await records.write(
            key, credential: CloudflareLive.secret("one"), labels: [:], ttlSeconds: 0, condition: .none,
            deadline: CloudflareLive.deadline)
        let failure = await CloudflareLive.failure { () throws(Failure) in
            try await records.read(key, deadline: SystemClock().boot + .seconds(2))
        }
        // The time may also run out while the vault is asked once more.
        #expect(failure.map { [.unavailable, .deadlineExceeded].contains($0.code) && $0.retryable } == true)
    }

    @Test(arguments: ["bulk/get", "/values/"])
    func aCutAnswerIsNone(call: String) async throws {
        let namespace = try await CloudflareLive.namespace("cut \(call)")
        let vault = try CloudflareLive.vault(namespace: namespace)
        let key = try CloudflareLive.key("u", "c")
        try await CloudflareLive.control(
            "plan",
            .object([
                ("match", .string("\(namespace)/?\(call)")), ("status", .integer(200)), ("cut", .integer(20)),
                ("body", .string(#"{"success":true,"result":{"values":{"connectors:u:c":null}}}"#)),
            ]))
        let failure = await CloudflareLive.failure { () throws(Failure) in
            if call == "bulk/get" { return _ = try await vault.read(key, deadline: CloudflareLive.deadline) }
            _ = try await vault.write(key, CloudflareLive.item("{}"), condition: .none, deadline: CloudflareLive.deadline)
        }
        #expect(failure?.code == .unavailable && failure?.retryable == true)
        #expect(failure?.mayHaveWritten == (call == "/values/"))
    }

    @Test func theLargestRecordComesBack() async throws {
        let vault = try CloudflareLive.vault(namespace: try await CloudflareLive.namespace("large"))
        let key = try CloudflareLive.key("u", "c")
        let item = CloudflareLive.item("{\"a\":\"" + String(repeating: "\\\"", count: 500_000) + "\"}")
        _ = try await vault.write(key, item, condition: .none, deadline: CloudflareLive.deadline)
        #expect(try await vault.read(key, deadline: CloudflareLive.deadline) == item)
    }
}
