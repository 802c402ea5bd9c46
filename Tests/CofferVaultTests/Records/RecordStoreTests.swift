import CofferCore
import CofferCrypto
import CofferMemory
import CofferVault
import Foundation
import Synchronization
import Testing

/// A clock that stands still until it is moved.
private final class TestClock: Clock {
    private let milliseconds = Mutex<UInt64>(1_700_000_000_000)

    var wall: WallMilliseconds { milliseconds.withLock { $0 } }
    var boot: BootInstant { BootInstant(nanoseconds: wall * 1_000_000) }
    func advance(_ amount: UInt64) { milliseconds.withLock { $0 += amount } }
}

/// Gives what it is told to, whatever is asked: a vault that lies.
private struct LyingVault: VaultAdapter {
    var name: String { "liar" }
    var kind: String { "test" }
    var capabilities: VaultCapabilities { inner.capabilities }
    var identity: [UInt8] { inner.identity }
    var changes: VaultChanges? { inner.changes }
    let inner: MemoryVault
    let answer: @Sendable (VaultItem?) -> VaultItem?
    var asked: VaultKey?

    func read(_ key: VaultKey, deadline: BootInstant) async throws(Failure) -> VaultItem? {
        answer(try await inner.read(asked ?? key, deadline: deadline))
    }
    func write(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> VaultReceipt {
        try await inner.write(key, item, condition: condition, deadline: deadline)
    }
    func remove(_ key: VaultKey, ifVersion: String?, deadline: BootInstant) async throws(Failure) -> Bool {
        try await inner.remove(key, ifVersion: ifVersion, deadline: deadline)
    }
    func list(
        user: VaultUser?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> VaultPage {
        try await inner.list(user: user, after: cursor, limit: limit, deadline: deadline)
    }
    func check(deadline: BootInstant) async throws(Failure) {}
    func close() async {}
}

@Suite struct RecordStoreTests {
    private let clock = TestClock()
    private let vault: MemoryVault
    private let keys: KeyRing
    private let key: RecordKey

    init() throws {
        vault = MemoryVault(name: "memory", clock: clock, random: SystemRandom())
        keys = try Self.makeKeys()
        key = try RecordKey(user: "u", connection: "c")
    }

    private static func makeKeys() throws -> KeyRing {
        let root = RootKey.key(
            SecretWriter.build(count: 32) { writer in for _ in 0..<32 { writer.append(UInt8.random(in: 0...255)) } })
        return try KeyRingFile.derive(path: "/keyring", root: root, now: 1).ring
    }

    private func store(
        _ vault: (any VaultAdapter)? = nil, environment: String = "test", keys: KeyRing? = nil
    ) -> RecordStore {
        RecordStore(
            vault: vault ?? self.vault, keys: keys ?? self.keys, environment: environment, clock: clock,
            random: SystemRandom())
    }

    private var deadline: BootInstant { clock.boot + .seconds(5) }

    private func secret(_ text: String) -> Secret {
        SecretWriter.build(count: text.utf8.count) { $0.append(text) }
    }

    @discardableResult
    private func write(_ text: String, to key: RecordKey? = nil, ttl: UInt32 = 0) async throws -> Record {
        try await store().write(
            key ?? self.key, credential: secret(text), labels: ["l": text], ttlSeconds: ttl,
            condition: .none, deadline: deadline)
    }

    private func expectUnreadable(_ store: RecordStore) async throws {
        await #expect {
            _ = try await store.read(key, deadline: deadline)
        } throws: { ($0 as? Failure)?.code == .dataLoss && ($0 as? Failure)?.reason == .unreadableRecord }
    }

    @Test func givesBackWhatWasWritten() async throws {
        let written = try await write("value")
        let read = try #require(try await store().read(key, deadline: deadline))
        #expect(read.body.credential.isEqual(to: secret("value")))
        #expect(read.body.labels == ["l": "value"])
        #expect(read.version == written.version)
        #expect(read.createdAt == written.createdAt)
    }

    @Test func everyWriteHasAVersionOfItsOwn() async throws {
        var versions: Set<String> = []
        for _ in 0..<100 { versions.insert(try await write("same").version) }
        #expect(versions.count == 100)
    }

    @Test func theSealedExpiryCountsEvenIfTheVaultForgetsIt() async throws {
        try await write("value", ttl: 2)
        let forgetful = LyingVault(inner: vault, answer: { item in
            var item = item
            item?.expiresAt = 0
            return item
        })
        #expect(try await store(forgetful).read(key, deadline: deadline) != nil)
        let item = try await vault.read(
            VaultKey(
                key: key, tag: keys.tag(user: "u", connection: "c"), userTag: keys.userTag("u")),
            deadline: deadline)
        clock.advance(2_000)
        let stubborn = LyingVault(inner: vault, answer: { _ in item })
        #expect(try await store(stubborn).read(key, deadline: deadline) == nil)
    }

    @Test func aRecordUnderAnotherKeyDoesNotOpen() async throws {
        let other = try RecordKey(user: "u", connection: "other")
        try await write("theirs", to: other)
        let swapped = LyingVault(
            inner: vault, answer: { $0 },
            asked: VaultKey(
                key: other, tag: keys.tag(user: "u", connection: "other"), userTag: keys.userTag("u")))
        try await expectUnreadable(store(swapped))
    }

    @Test func anotherEnvironmentAnotherVaultOtherKeysOpenNothing() async throws {
        try await write("value")
        try await expectUnreadable(store(environment: "production"))
        let item = try await vault.read(
            VaultKey(key: key, tag: keys.tag(user: "u", connection: "c"), userTag: keys.userTag("u")),
            deadline: deadline)
        let elsewhere = MemoryVault(name: "other", clock: clock, random: SystemRandom())
        try await expectUnreadable(store(LyingVault(inner: elsewhere, answer: { _ in item })))
        let strange = try Self.makeKeys()
        try await expectUnreadable(store(LyingVault(inner: vault, answer: { _ in item }), keys: strange))
    }

    @Test func aDamagedPayloadIsSaidToBeUnreadable() async throws {
        try await write("value")
        for position in [0, 5, 8, 12, 20, 52, 84, 120] {
            let damaged = LyingVault(inner: vault, answer: { item in
                var item = item
                guard var bytes = item?.payload.envelope else { return item }
                bytes[position] ^= 1
                item?.payload = .sealed(bytes)
                return item
            })
            try await expectUnreadable(store(damaged))
        }
    }

    @Test func listsWhatIsAliveOfOneUser() async throws {
        for index in 0..<5 {
            try await write("v", to: try RecordKey(user: "u", connection: "c\(index)"))
            try await write("v", to: try RecordKey(user: "other", connection: "c\(index)"))
        }
        try await write("v", to: try RecordKey(user: "u", connection: "gone"), ttl: 1)
        clock.advance(1_000)
        var found: Set<String> = []
        var cursor: [UInt8]?
        repeat {
            let page = try await store().list(user: "u", after: cursor, limit: 2, deadline: deadline)
            for record in page.records {
                #expect(record.key.user == "u")
                #expect(found.insert(record.key.connection).inserted)
            }
            cursor = page.next
        } while cursor != nil
        #expect(found == ["c0", "c1", "c2", "c3", "c4"])
    }

    @Test func generationsGrowThoughTheClockStandsOrGoesBack() {
        let source = GenerationSource(clock: clock)
        var last: UInt64 = 0
        for _ in 0..<1_000 {
            let next = source.next()
            #expect(next > last)
            last = next
        }
    }
}
