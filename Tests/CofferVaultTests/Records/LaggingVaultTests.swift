import CofferCore
import CofferCrypto
import Testing

@testable import CofferVault

/// Read-your-writes over a vault that does not promise it.
@Suite(.timeLimit(.minutes(1))) struct LaggingVaultTests {
    private let time = VirtualTime()
    private let vault: LaggingVault
    private let keys: KeyRing
    private let key: RecordKey

    init() throws {
        vault = LaggingVault(time)
        keys = try KeyRing.forTests()
        key = try RecordKey(user: "u", connection: "c")
    }

    private func store(_ format: RecordFormat = .sealed) throws -> RecordStore {
        try RecordStore(
            vault: vault, keys: keys, environment: "test", format: format, accept: [format], legacy: nil, clock: time,
            random: SeededRandom(1), sleeper: SkippingSleeper(time: time))
    }

    private func write(_ text: String, _ store: RecordStore, ttl: UInt32 = 0, key: RecordKey? = nil) async throws {
        time.advance(.milliseconds(1))
        _ = try await store.write(
            key ?? self.key, credential: Secret(text), labels: [:], ttlSeconds: ttl, condition: .none, deadline: end)
    }

    private var end: BootInstant { time.boot + .seconds(5) }

    private func read(_ store: RecordStore, key: RecordKey? = nil) async throws -> String? {
        try await store.read(key ?? self.key, deadline: end)?.body.credential.text
    }

    private func failure(_ store: RecordStore) async -> Failure? {
        do throws(Failure) {
            _ = try await store.read(key, deadline: end)
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: [RecordFormat.sealed, .json])
    func aReadNeverShowsWhatAnAcknowledgedWriteReplaced(format: RecordFormat) async throws {
        let store = try store(format)
        for round in 0..<20 {
            vault.setLag(.milliseconds(Int64(round * 150)))
            try await write("{\"n\":\(round)}", store)
            #expect(try await read(store) == "{\"n\":\(round)}")
        }
    }

    @Test func aReadOfANewRecordWaitsUntilTheVaultHasIt() async throws {
        vault.setLag(.seconds(2))
        let store = try store()
        try await write("{}", store)
        let began = time.boot
        #expect(try await read(store) == "{}")
        #expect(time.boot >= began + .milliseconds(1_900) && time.boot < began + .seconds(3))
        #expect(vault.reads <= 9)
    }

    /// As long as the vault says that it may lag, and no longer.
    @Test(arguments: [5, 30, 90]) func writesAreRememberedForAsLongAsTheVaultLags(seconds: Int) async throws {
        let vault = LaggingVault(time, consistency: .lagging(for: .seconds(seconds)))
        let store = RecordStore(
            vault: vault, keys: keys, environment: "test", clock: time, random: SeededRandom(1),
            sleeper: SkippingSleeper(time: time))
        vault.setLag(.seconds(600))
        try await write("{}", store)
        time.advance(.seconds(seconds) - .seconds(1))
        let soon = time.boot + .milliseconds(100)
        await #expect(throws: Failure.self) { _ = try await store.read(key, deadline: soon) }
        time.advance(.seconds(1))
        #expect(try await store.read(key, deadline: end) == nil)
    }

    @Test func aVaultThatDoesNotLagIsAskedOnce() async throws {
        let vault = LaggingVault(time, consistency: .immediate)
        let store = RecordStore(
            vault: vault, keys: keys, environment: "test", clock: time, random: SeededRandom(1),
            sleeper: SkippingSleeper(time: time))
        vault.setLag(.seconds(600))
        try await write("{}", store)
        #expect(try await store.read(key, deadline: end) == nil)
        #expect(vault.reads == 1)
    }

    /// Past the deadline there is no answer, rather than an old one.
    @Test func whatStaysBehindIsUnavailable() async throws {
        let store = try store()
        try await write("{\"old\":1}", store)
        vault.setLag(.seconds(20))
        try await write("{\"new\":1}", store)
        let began = time.boot
        let failure = await failure(store)
        #expect(failure?.code == .unavailable && failure?.reason == .vaultFailed && failure?.retryable == true)
        #expect(time.boot <= began + .seconds(5))
        time.advance(.seconds(15))
        #expect(try await read(store) == "{\"new\":1}")
    }

    @Test(arguments: [RecordFormat.sealed, .json]) func afterADeleteThereIsNothing(format: RecordFormat) async throws {
        let store = try store(format)
        try await write("{}", store)
        time.advance(.seconds(2))
        vault.setLag(.seconds(10))
        time.advance(.seconds(20))
        #expect(try await store.remove(key, ifVersion: nil, deadline: end))
        let reads = vault.reads
        #expect(try await read(store) == nil)
        // Nobody need wait for what is known.
        #expect(vault.reads == reads + 1)
        #expect(try await store.list(user: nil, after: nil, limit: 10, deadline: end).records.isEmpty)
        try await write("{\"again\":1}", store)
        vault.setLag(.seconds(1))
        #expect(try await read(store) == "{\"again\":1}")
    }

    /// The version of a write tells when it was made, and a clock may be set back after it.
    @Test func aDeleteIsNewerThanWhatItRemovesThoughTheClockWasSetBack() async throws {
        let store = try store()
        try await write("{}", store)
        time.advance(.seconds(2))
        time.setBack(.seconds(60))
        vault.setLag(.seconds(3))
        #expect(try await store.remove(key, ifVersion: nil, deadline: end))
        #expect(try await read(store) == nil)
    }

    @Test func aDeleteKnowsThatTheRecordWasThere() async throws {
        vault.setLag(.seconds(3))
        let store = try store()
        try await write("{}", store)
        #expect(try await store.remove(key, ifVersion: nil, deadline: end))
    }

    @Test func whatAnotherProgramWroteSinceIsGiven() async throws {
        let store = try store(.json)
        try await write("{\"ours\":1}", store)
        time.advance(.seconds(2))
        vault.put(
            VaultItem(
                payload: .text(Secret("{\"theirs\":1}")), version: "9c2f9d6e-0000-4000-8000-000000000001",
                createdAt: time.wall, updatedAt: time.wall, expiresAt: 0), key)
        #expect(try await read(store) == "{\"theirs\":1}")
    }

    @Test func anExpiryIsNoLag() async throws {
        let store = try store()
        try await write("{}", store, ttl: 2)
        time.advance(.seconds(3))
        let reads = vault.reads
        #expect(try await read(store) == nil)
        #expect(vault.reads == reads + 1)
    }

    /// A removal of which nobody knows whether it was done may have been.
    @Test func anAbsenceAfterAnUncertainRemovalIsBelieved() async throws {
        let store = try store()
        try await write("{}", store)
        vault.loseTheAnswer(.deadlineExceeded(vault: "lagging"))
        await #expect(throws: Failure.self) { try await store.remove(key, ifVersion: nil, deadline: end) }
        #expect(try await read(store) == nil)
    }

    @Test func manyAreEachAskedForAgainUntilTheyAreCurrent() async throws {
        let store = try store()
        let keys = try (0..<10).map { try RecordKey(user: "u", connection: "c\($0)") }
        for key in keys { try await write("{\"v\":1}", store, key: key) }
        time.advance(.seconds(10))
        vault.setLag(.seconds(1))
        for key in keys[..<5] { try await write("{\"v\":2}", store, key: key) }
        let removed = try await store.remove(keys[5], ifVersion: nil, deadline: end)
        #expect(removed)
        let reads = vault.reads
        let outcomes = await store.readMany(keys, deadline: end)
        let texts = try outcomes.map { try $0.get()?.body.credential.text }
        #expect(texts == [String?](repeating: "{\"v\":2}", count: 5) + [nil] + [String?](repeating: "{\"v\":1}", count: 4))
        // Those that were current were asked for once.
        #expect((vault.reads - reads - 10).isMultiple(of: 5))
        time.advance(.seconds(25))
        vault.setLag(.seconds(20))
        try await write("{\"v\":3}", store, key: keys[0])
        let late = await store.readMany([keys[0], keys[9]], deadline: end)
        #expect(throws: Failure.self) { try late[0].get() }
        #expect(try late[1].get()?.body.credential.text == "{\"v\":1}")
    }

    /// Of writes that overlap either may be last: what the vault shows is believed, and what is
    /// older than both is not.
    @Test func ofWritesThatOverlapEitherMayBeLast() {
        let writes = AcknowledgedWrites(lag: .seconds(30))
        let (now, tag) = (time.boot, [1] as [UInt8])
        func order(_ number: UInt64) -> AcknowledgedWrites.Order { .init(generation: number, writtenAt: 5) }
        func change(_ number: UInt64) -> AcknowledgedWrites.Change {
            .init(
                VaultItem(
                    payload: .sealed([]), version: String(format16(number)) + "00000000", createdAt: 5, updatedAt: 5,
                    expiresAt: 0))
        }
        func verdict(_ number: UInt64?) -> AcknowledgedWrites.Verdict {
            writes.verdict(on: number.map(order), of: tag, now: now, wall: 5)
        }
        let (first, second) = (writes.begin(change(2), of: tag), writes.begin(change(3), of: tag))
        writes.end(second, of: tag, nil, now: now)
        writes.end(first, of: tag, nil, now: now)
        #expect(verdict(1) == .behind && verdict(2) == .current && verdict(3) == .current && verdict(nil) == .behind)
        // One by itself: all before it are behind.
        writes.end(writes.begin(change(4), of: tag), of: tag, nil, now: now)
        #expect(verdict(3) == .behind && verdict(4) == .current && verdict(5) == .current)
        // Overlapping with a removal, it may be gone.
        let third = writes.begin(change(6), of: tag)
        let removal = writes.begin(.init(removal: 5_000, at: 5), of: tag)
        #expect(verdict(nil) == .current)
        writes.end(removal, of: tag, nil, now: now)
        writes.end(third, of: tag, nil, now: now)
        #expect(verdict(nil) == .current && verdict(6) == .current)
        // What failed changes nothing.
        writes.end(writes.begin(change(9), of: tag), of: tag, .badField("x", "y"), now: now)
        #expect(verdict(6) == .current)
        #expect(writes.verdict(on: nil, of: tag, now: now + .seconds(30), wall: 5) == .current)
    }

    private func format16(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// The memory for what is remembered has a bound, and the newest stay.
    @Test func theOldestAreForgottenFirst() {
        let writes = AcknowledgedWrites(lag: .seconds(30))
        func tag(_ number: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
        let count = AcknowledgedWrites.maximumCount + 1_000
        for number in 0..<count {
            let change = writes.begin(.init(removal: 1_000_000, at: 1_000), of: tag(number))
            writes.end(change, of: tag(number), nil, now: time.boot + .milliseconds(Int64(number / 100)))
            if number.isMultiple(of: 997) { #expect(writes.count <= AcknowledgedWrites.maximumCount) }
        }
        #expect(writes.count <= AcknowledgedWrites.maximumCount && writes.count > AcknowledgedWrites.maximumCount / 2)
        let old = AcknowledgedWrites.Order(generation: 1, writtenAt: 0)
        #expect(writes.verdict(on: old, of: tag(count - 1), now: time.boot, wall: 0) == .removed)
        #expect(writes.verdict(on: old, of: tag(0), now: time.boot, wall: 0) == .current)
    }
}
