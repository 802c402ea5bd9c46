import CofferCore
import CofferEmbedded
import CofferVault
import CofferVaultConformance
import Synchronization
import Testing

/// Writes that nobody waits for: see `NonblockingWriter`.
@Suite(.timeLimit(.minutes(2))) struct EmbeddedNonblockingTests {
    typealias Outcome = Result<VaultReceipt, Failure>

    private let scratch = Scratch()
    private let queue = CountingQueue()

    private func begin(
        _ vault: EmbeddedVault, _ name: String, _ item: VaultItem, _ condition: WriteCondition = .none,
        seconds: Int64 = 30
    ) async throws -> Outcome {
        let key = try testKey(name)
        let deadline = SystemClock().boot + .seconds(seconds)
        return await withCheckedContinuation { caller in
            vault.beginWrite(key, item, condition: condition, deadline: deadline, on: queue) {
                caller.resume(returning: $0)
            }
        }
    }

    /// What begins writes asks the adapter that it has, whatever its type.
    @Test func aVaultThatCanSaysSo() async throws {
        let vault = try scratch.open()
        let adapter: any VaultAdapter = vault
        #expect((adapter.nonblockingWriter as AnyObject?) === vault)
        await vault.close()
    }

    /// All of a group are told with one wake-up, each of its own record.
    @Test func aGroupWakesItsQueueOnce() async throws {
        let vault = try scratch.open()
        let outcomes = await withCheckedContinuation { (done: CheckedContinuation<[String: Outcome], Never>) in
            let seen = Mutex<[String: Outcome]>([:])
            for number in 0..<64 {
                let version = "v\(number)"
                vault.beginWrite(
                    try! testKey("\(number)"), makeItem(version), condition: .none,
                    deadline: SystemClock().boot + .seconds(30), on: queue
                ) { outcome in
                    let all = seen.withLock { seen in
                        seen[version] = outcome
                        return seen.count == 64 ? seen : nil
                    }
                    if let all { done.resume(returning: all) }
                }
            }
        }
        for (version, outcome) in outcomes { #expect(try outcome.get().version == version) }
        #expect(queue.work == 64)
        #expect(queue.posts < 64, "\(queue.posts) wake-ups for 64 writes")
        #expect(try await vault.get("63") == "sealed")
        await vault.close()
    }

    /// The writer asks for the time when it begins to apply what it has taken: then others come.
    @Test func whoComesWhileAGroupIsMadeIsInIt() async throws {
        let clock = HookedClock()
        let vault = try scratch.open(clock: clock)
        let waiting = Atomic(11)
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            @Sendable func begin(_ name: String) {
                vault.beginWrite(
                    try! testKey(name), makeItem("v"), condition: .none,
                    deadline: SystemClock().boot + .seconds(30), on: queue
                ) { outcome in
                    #expect(throws: Never.self) { try outcome.get() }
                    if waiting.subtract(1, ordering: .relaxed).newValue == 0 { done.resume() }
                }
            }
            clock.onWall { for number in 0..<10 { begin("other \(number)") } }
            begin("first")
        }
        #expect(queue.work == 11)
        #expect(queue.posts == 1)
        await vault.close()
    }

    @Test func conditionsHoldAsForWrite() async throws {
        let vault = try scratch.open()
        let first = try await begin(vault, "a", makeItem("v1"), .ifAbsent).get()
        #expect(first.version == "v1")
        #expect(try await begin(vault, "a", makeItem("v2"), .ifAbsent) == .failure(.alreadyExists))
        #expect(try await begin(vault, "a", makeItem("v2"), .ifVersion("v0")) == .failure(.versionMismatch))
        let second = try await begin(vault, "a", makeItem("v2"), .ifVersion("v1")).get()
        #expect(second.createdAt == first.createdAt)
        await vault.close()
    }

    /// Refusals come back the same way, and are the same as from `write`.
    @Test func refusalsComeOnTheQueue() async throws {
        let vault = try scratch.open()
        var item = makeItem("v")
        item.payload = .sealed([])
        #expect(try await failure(begin(vault, "empty", item)) == failure { () async throws(Failure) in
            try await vault.write(
                try testKey("empty"), item, condition: .none, deadline: SystemClock().boot + .seconds(30))
        })
        #expect(try await failure(begin(vault, "late", makeItem("v"), seconds: -1))?.code == .deadlineExceeded)
        #expect(queue.work == 2)
        #expect(try await vault.get("late") == nil)
        await vault.close()
        #expect(try await failure(begin(vault, "closed", makeItem("v")))?.code == .unavailable)
        #expect(queue.work == 3)
    }

    private func failure(_ outcome: Outcome) -> Failure? {
        if case .failure(let failure) = outcome { failure } else { nil }
    }

    private func failure(_ body: () async throws(Failure) -> VaultReceipt) async -> Failure? {
        do {
            _ = try await body()
            return nil
        } catch {
            return error
        }
    }
}

/// The system's clock, with something to do when it is next asked for the time of day.
private final class HookedClock: Clock {
    private let hook = Mutex<(@Sendable () -> Void)?>(nil)

    func onWall(_ hook: @escaping @Sendable () -> Void) { self.hook.withLock { $0 = hook } }

    var boot: BootInstant { SystemClock().boot }
    var wall: WallMilliseconds {
        hook.withLock { $0.take() }?()
        return SystemClock().wall
    }
}

/// Does its work at once, and counts.
private final class CountingQueue: WorkQueue {
    private let counts = Mutex((posts: 0, work: 0))
    var posts: Int { counts.withLock { $0.posts } }
    var work: Int { counts.withLock { $0.work } }

    func post(_ work: [any WorkItem]) {
        counts.withLock {
            $0.posts += 1
            $0.work += work.count
        }
        for item in work { item.run() }
    }
}
