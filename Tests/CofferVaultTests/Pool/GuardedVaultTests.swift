import CofferCore
import CofferCrypto
import CofferVault
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(5))) struct GuardedVaultTests {
    private let time = VirtualTime()
    private let key: VaultKey
    private let item = VaultItem(payload: .sealed([1]), version: "v", createdAt: 1, updatedAt: 1, expiresAt: 0)

    init() throws {
        key = VaultKey(
            key: try RecordKey(user: "u", connection: "c"), tag: [UInt8](repeating: 1, count: 32),
            userTag: [UInt8](repeating: 2, count: 32))
    }

    private func guarded(
        _ vault: ScriptedVault, _ change: (inout VaultLimits) -> Void = { _ in }
    ) -> GuardedVault {
        var limits = VaultLimits()
        change(&limits)
        return GuardedVault(vault, limits: limits, clock: time, random: FixedRandom(0.5), sleeper: time)
    }

    private var unsent: Failure {
        var failure = Failure.unavailable
        failure.isUnsent = true
        return failure
    }

    private func outcome<R: Sendable>(_ call: () async throws(Failure) -> R) async -> Result<R, Failure> {
        do throws(Failure) { return .success(try await call()) } catch { return .failure(error) }
    }

    /// Runs a call whose retries have to be waited for.
    private func run<R: Sendable>(
        retries: Int, _ call: @escaping @Sendable () async throws(Failure) -> R
    ) async throws -> Result<R, Failure> {
        let task = Task { await outcome(call) }
        for _ in 0..<retries { try await time.advanceToNextAlarm() }
        return await task.value
    }

    @Test func anAttemptHasTheEarlierOfBothDeadlines() async throws {
        let vault = ScriptedVault()
        let guarded = guarded(vault)
        _ = try await guarded.read(key, deadline: .at(3))
        _ = try await guarded.read(key, deadline: .at(300))
        #expect(vault.calls.map(\.deadline) == [.at(3), .at(5)])
    }

    /// Whoever reads it knows which time to change.
    @Test func theVaultsOwnTimeoutIsSaidToBeIt() async throws {
        let vault = ScriptedVault()
        let guarded = guarded(vault) {
            $0.timeout = .seconds(1)
            $0.retry.attempts = 1
        }
        let (key, item) = (key, item)
        func message(_ allowance: Double, isWrite: Bool) async -> String? {
            vault.script([Failure.deadlineExceeded(), .deadlineExceeded(), .deadlineExceeded()].map { isWrite ? $0 : $0.ofRead })
            let end = time.boot + .seconds(allowance)
            let failed = await outcome { () throws(Failure) in
                try await guarded.write(key, item, condition: .ifAbsent, deadline: end)
            }
            guard case .failure(let failure) = failed else { return nil }
            #expect(failure.isTimeout == (allowance > 0.9))
            return failure.ofChange.message
        }
        #expect(await message(10, isWrite: true) == "the vault did not answer within timeout_ms (1s); a write may have happened")
        #expect(await message(10, isWrite: false) == "the vault did not answer within timeout_ms (1s); nothing was done")
        #expect(await message(0.5, isWrite: true) == "no answer within the time given; a write may have happened")
        vault.scriptMany([[Failure.deadlineExceeded().ofRead]])
        let answers = await guarded.readMany([key], deadline: time.boot + .seconds(1))
        #expect(answers.count == 1 && answers[0] == .failure(Failure.deadlineExceeded(vault: "scripted").ofRead.ofTimeout(1_000)))
    }

    /// A new certificate or token may be what was missing.
    @Test func aRepairLetsTheNextCallFindOut() async throws {
        let vault = ScriptedVault()
        let guarded = guarded(vault) { $0.retry.attempts = 1 }
        vault.script([Failure](repeating: Failure(.failedPrecondition, .vaultUnreachable, "TLS failed"), count: 5))
        for _ in 0..<5 { _ = await outcome { () throws(Failure) in try await guarded.read(key, deadline: .at(900)) } }
        let refused = await outcome { () throws(Failure) in try await guarded.read(key, deadline: .at(900)) }
        guard case .failure(let failure) = refused else { throw CancellationError() }
        #expect(failure.isUnsent && vault.calls.count == 5)
        guarded.noteRepair()
        #expect(try await guarded.read(key, deadline: .at(900)) == nil)
        #expect(guarded.health.breaker == .closed)
        guarded.noteRepair()
        #expect(guarded.health.breaker == .closed)
    }

    /// What wraps a vault hands its changes on.
    @Test func changesPassTheGuard() async throws {
        let told = [VaultChange.everything, .record(key.key), .everything]
        let changes = AsyncStream<VaultChange> { stream in
            for change in told { stream.yield(change) }
            stream.finish()
        }
        var heard: [VaultChange] = []
        let guarded = guarded(ScriptedVault(changes: changes))
        let store = RecordStore(
            vault: guarded, keys: try .forTests(), environment: "test", clock: time, random: FixedRandom(0.5))
        for await change in try #require(store.changes) { heard.append(change) }
        #expect(heard == told)
        #expect(self.guarded(ScriptedVault()).changes == nil)
    }

    @Test func readsAreRepeatedTwice() async throws {
        let vault = ScriptedVault()
        let guarded = guarded(vault)
        vault.script([.unavailable, .unavailable, nil])
        let (key, end) = (key, BootInstant.at(60))
        let result = try await run(retries: 2) { () throws(Failure) in try await guarded.read(key, deadline: end) }
        #expect(try result.get() == nil)
        #expect(vault.calls.count == 3)
        #expect(guarded.health.retries == 2)
        #expect(time.boot == .at(0.65))
        vault.script([.unavailable, .unavailable, .unavailable])
        let failed = try await run(retries: 2) { () throws(Failure) in try await guarded.read(key, deadline: end) }
        #expect(vault.calls.count == 6)
        var expected = Failure.unavailable
        expected.vault = "scripted"
        #expect(failed == .failure(expected))
        #expect(guarded.health.breaker == .closed)
    }

    @Test(arguments: [false, true]) func writesAreRepeatedWhereThatDoesNoHarm(isRepeatable: Bool) async throws {
        let vault = ScriptedVault(repeatableWrites: isRepeatable)
        let guarded = guarded(vault)
        let (key, item, end) = (key, item, BootInstant.at(60))
        vault.script([.unavailable])
        let written = try await run(retries: isRepeatable ? 1 : 0) { () throws(Failure) in
            try await guarded.write(key, item, condition: .none, deadline: end)
        }
        #expect((try? written.get())?.createdAt == (isRepeatable ? 1 : nil))
        vault.script([.unavailable])
        let removed = try await run(retries: isRepeatable ? 1 : 0) { () throws(Failure) in
            try await guarded.remove(key, ifVersion: nil, deadline: end)
        }
        #expect((try? removed.get()) == (isRepeatable ? true : nil))
        #expect(vault.calls.count == (isRepeatable ? 4 : 2))
    }

    /// They ask nobody, so neither an outage nor a full queue holds them up, and they say nothing about the vault.
    @Test func localReadsPassAnOpenBreaker() async throws {
        let vault = ScriptedVault { $0.localReads = true }
        let guarded = guarded(vault)
        let (key, item, end) = (key, item, BootInstant.at(60))
        vault.script([Failure?](repeating: .unavailable, count: 5))
        for _ in 1...5 {
            await #expect(throws: Failure.self) { try await guarded.write(key, item, condition: .none, deadline: end) }
        }
        #expect(guarded.health.breaker != .closed)
        let calls = guarded.health.calls
        _ = try await guarded.read(key, deadline: end)
        _ = try await guarded.list(user: nil, after: nil, limit: 1, deadline: end)
        #expect(await guarded.readMany([key], deadline: end).count == 1)
        #expect(vault.calls.count == 8 && guarded.health.calls == calls && guarded.health.breaker != .closed)
        vault.script([unsent])
        var expected = unsent
        expected.vault = "scripted"
        await #expect(throws: expected) { try await guarded.read(key, deadline: end) }
    }

    @Test func conditionalWritesAreRepeatedOnlyIfTheyWereNotSent() async throws {
        let vault = ScriptedVault(repeatableWrites: true)
        let guarded = guarded(vault)
        let (key, item, end) = (key, item, BootInstant.at(60))
        vault.script([.unavailable])
        let sent = try await run(retries: 0) { () throws(Failure) in
            try await guarded.write(key, item, condition: .ifAbsent, deadline: end)
        }
        guard case .failure(let failure) = sent else { throw Failure.internalError("written") }
        #expect(failure.code == .unavailable && !failure.isUnsent)
        vault.script([unsent])
        let again = try await run(retries: 1) { () throws(Failure) in
            try await guarded.remove(key, ifVersion: "v", deadline: end)
        }
        #expect(try again.get())
        #expect(vault.calls.count == 3)
    }

    /// The last attempt was not sent, but one before it may have arrived.
    @Test func whatMayHaveArrivedIsNotUnsent() async throws {
        let vault = ScriptedVault(repeatableWrites: true)
        let guarded = guarded(vault)
        let (key, item, end) = (key, item, BootInstant.at(60))
        vault.script([.unavailable, unsent, unsent])
        let result = try await run(retries: 2) { () throws(Failure) in
            try await guarded.write(key, item, condition: .none, deadline: end)
        }
        guard case .failure(let failure) = result else { throw Failure.internalError("written") }
        #expect(!failure.isUnsent)
    }

    @Test func aVaultThatFailsIsLeftAloneAndThenProbed() async throws {
        let vault = ScriptedVault()
        let guarded = guarded(vault) { $0.retry.attempts = 1 }
        vault.script([Failure?](repeating: .unavailable, count: 5))
        for _ in 0..<5 { _ = await outcome { () throws(Failure) in try await guarded.read(key, deadline: .at(900)) } }
        for _ in 0..<20 {
            let refused = await outcome { () throws(Failure) in try await guarded.read(key, deadline: .at(900)) }
            guard case .failure(let failure) = refused else { throw Failure.internalError("not refused") }
            #expect(failure.code == .unavailable && failure.vault == "scripted" && failure.isUnsent)
            #expect(failure.retryAfterMilliseconds == 150)
        }
        #expect(vault.calls.count == 5)
        #expect(guarded.health.rejected == 20)
        time.advance(.seconds(30))
        _ = try await guarded.read(key, deadline: .at(900))
        #expect(guarded.health.breaker == .closed)
        #expect(guarded.health.isRecovering)
        #expect(vault.calls.count == 6)
    }

    @Test func aCheckGoesThroughAndOpensTheWay() async throws {
        let vault = ScriptedVault()
        let guarded = guarded(vault) { $0.retry.attempts = 1 }
        vault.script([Failure?](repeating: .unavailable, count: 6))
        for _ in 0..<5 { _ = await outcome { () throws(Failure) in try await guarded.read(key, deadline: .at(900)) } }
        let failed = await outcome { () throws(Failure) in try await guarded.check(deadline: .at(900)) }
        guard case .failure(let failure) = failed else { throw Failure.internalError("no failure") }
        #expect(failure.vault == "scripted" && failure.message == Failure.unavailable.message)
        try await guarded.check(deadline: .at(900))
        #expect(guarded.health.isReachable == true)
        _ = try await guarded.read(key, deadline: .at(900))
        #expect(guarded.health.breaker == .closed)
        #expect(guarded.health.calls == 6)
    }

    @Test func noMoreAtATimeThanAllowed() async throws {
        let vault = ScriptedVault()
        let guarded = guarded(vault) { $0.admission.maximum = 3 }
        vault.hold()
        let key = key
        let tasks = (0..<20).map { _ in
            Task { await outcome { () throws(Failure) in try await guarded.read(key, deadline: .at(60)) } }
        }
        try await eventually("3 are there and 17 wait") { vault.heldCount == 3 && guarded.health.queued == 17 }
        for left in stride(from: 16, through: 0, by: -1) {
            vault.letGo(1)
            try await eventually("one more is there") { vault.heldCount == 3 && guarded.health.queued == left }
        }
        vault.letGo()
        for task in tasks { _ = try await task.value.get() }
        #expect(guarded.health.peakInFlight == 3)
        #expect(guarded.health.inFlight == 0)
    }

    /// Whatever is set, half of the queue is for others.
    @Test func oneUIDCannotTakeTheWholeQueue() async throws {
        let vault = ScriptedVault()
        let guarded = guarded(vault) {
            $0.admission.maximum = 1
            $0.maximumQueued = 8
            $0.maximumQueuedPerUID = 8
        }
        vault.hold()
        let key = key
        @Sendable func read(uid: UInt32?) async -> Result<VaultItem?, Failure> {
            await VaultCaller.$uid.withValue(uid) {
                await outcome { () throws(Failure) in try await guarded.read(key, deadline: .at(60)) }
            }
        }
        var tasks = [Task { await read(uid: 7) }]
        try await eventually("the first is there") { vault.heldCount == 1 }
        for count in 1...4 {
            tasks.append(Task { await read(uid: 7) })
            try await eventually("\(count) wait") { guarded.health.queued == count }
        }
        guard case .failure(let refused) = await read(uid: 7) else { throw Failure.internalError("it has all places") }
        #expect(refused.code == .resourceExhausted && refused.isUnsent && refused.retryAfterMilliseconds > 0)
        #expect(
            refused.message
                == "this uid has 4 calls waiting for the vault, the most that one uid may have; try later, or raise limits.queue_per_uid and the vault's queue"
        )
        tasks += [Task { await read(uid: 8) }, Task { await read(uid: nil) }]
        try await eventually("others have a place") { guarded.health.queued == 6 }
        vault.letGo()
        for task in tasks { _ = try await task.value.get() }
    }

    @Test func waitingEndsAtTheDeadline() async throws {
        let vault = ScriptedVault()
        let guarded = guarded(vault) { $0.admission.maximum = 1 }
        vault.hold()
        let key = key
        let first = Task { await outcome { () throws(Failure) in try await guarded.read(key, deadline: .at(60)) } }
        try await eventually("the first is there") { vault.heldCount == 1 }
        let late = Task { await outcome { () throws(Failure) in try await guarded.read(key, deadline: .at(9)) } }
        try await eventually("one waits") { guarded.health.queued == 1 }
        let soon = Task { await outcome { () throws(Failure) in try await guarded.read(key, deadline: .at(4)) } }
        try await eventually("both wait, until the earlier deadline") { time.alarms == [.at(4)] }
        time.advance(.seconds(4))
        guard case .failure(let failure) = await soon.value else { throw Failure.internalError("not ended") }
        #expect(failure.code == .deadlineExceeded && failure.isUnsent)
        try await eventually("the other's deadline is next") { time.alarms == [.at(9)] }
        vault.letGo()
        _ = try await late.value.get()
        _ = try await first.value.get()
        try await eventually("nobody is waited for") { time.alarms.isEmpty }
    }

    @Test func whoWaitsMayGoAway() async throws {
        let vault = ScriptedVault()
        let guarded = guarded(vault) { $0.admission.maximum = 1 }
        vault.hold()
        let key = key
        let first = Task { await outcome { () throws(Failure) in try await guarded.read(key, deadline: .at(60)) } }
        try await eventually("the first is there") { vault.heldCount == 1 }
        let second = Task { await outcome { () throws(Failure) in try await guarded.read(key, deadline: .at(60)) } }
        try await eventually("one waits") { guarded.health.queued == 1 }
        second.cancel()
        guard case .failure(let failure) = await second.value else { throw Failure.internalError("not ended") }
        #expect(failure.code == .cancelled && failure.isUnsent)
        #expect(guarded.health.queued == 0)
        let third = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await outcome { () throws(Failure) in try await guarded.read(key, deadline: .at(60)) }
        }
        guard case .failure(let other) = await third.value else { throw Failure.internalError("not ended") }
        #expect(other.code == .cancelled)
        vault.letGo()
        _ = try await first.value.get()
    }

    @Test func whoWaitsForARetryMayGoAway() async throws {
        let vault = ScriptedVault()
        let guarded = guarded(vault)
        vault.script([.unavailable])
        let key = key
        let task = Task { await outcome { () throws(Failure) in try await guarded.read(key, deadline: .at(60)) } }
        try await eventually("it waits") { !time.alarms.isEmpty }
        task.cancel()
        guard case .failure(let failure) = await task.value else { throw Failure.internalError("not ended") }
        #expect(failure.code == .cancelled && !failure.isUnsent)
        #expect(vault.calls.count == 1)
    }

    @Test func closingSendsEverybodyAway() async throws {
        let vault = ScriptedVault()
        let guarded = guarded(vault) { $0.admission.maximum = 1 }
        vault.hold()
        let key = key
        let first = Task { await outcome { () throws(Failure) in try await guarded.read(key, deadline: .at(60)) } }
        try await eventually("the first is there") { vault.heldCount == 1 }
        let second = Task { await outcome { () throws(Failure) in try await guarded.read(key, deadline: .at(60)) } }
        try await eventually("one waits") { guarded.health.queued == 1 }
        await guarded.close()
        let expected = Failure(
            .unavailable, .draining, "the vault is being closed", vault: "scripted", retryable: true, isUnsent: true)
        #expect(await second.value == .failure(expected))
        #expect(
            await outcome { () throws(Failure) in try await guarded.read(key, deadline: .at(60)) } == .failure(expected)
        )
        vault.letGo()
        _ = try await first.value.get()
        #expect(vault.calls.last?.what == "close")
    }

    @Test func manyKeysTakeOnePlaceAndOnlyWhatFailedIsAskedAgain() async throws {
        let vault = ScriptedVault()
        let guarded = guarded(vault)
        vault.scriptMany([[nil, .unavailable, .alreadyExists, .unavailable], [.unavailable, nil], [nil]])
        let keys = [VaultKey](repeating: key, count: 4)
        let task = Task { await guarded.readMany(keys, deadline: .at(60)) }
        for _ in 0..<2 { try await time.advanceToNextAlarm() }
        let outcomes = await task.value
        #expect(vault.calls.map(\.keys) == [4, 2, 1])
        #expect(guarded.health.calls == 3)
        for index in [0, 1, 3] { #expect(try outcomes[index].get() == nil) }
        var expected = Failure.alreadyExists
        expected.vault = "scripted"
        #expect(outcomes[2] == .failure(expected))
        #expect(await guarded.readMany([], deadline: .at(60)).isEmpty)
        #expect(vault.calls.count == 3)
    }

    /// The one that has met a login's failure itself need not be the first of them.
    @Test func ofManyKeysTheOneThatSaysSomethingAboutTheVaultCounts() async throws {
        let vault = ScriptedVault()
        let guarded = guarded(vault) { $0.retry.attempts = 1 }
        let remembered = Failure.unavailable.remembered
        vault.scriptMany([[Failure?]](repeating: [remembered, .unavailable, remembered], count: 5))
        for _ in 0..<5 { _ = await guarded.readMany([key, key, key], deadline: .at(60)) }
        #expect(guarded.health.failures == 5)
        _ = await guarded.readMany([key], deadline: .at(60))
        #expect(vault.calls.count == 5, "the breaker is closed")
    }

    @Test func manyKeysOfAVaultThatRestsAllFail() async throws {
        let vault = ScriptedVault()
        let guarded = guarded(vault) { $0.retry.attempts = 1 }
        vault.scriptMany([[Failure?]](repeating: [.unavailable, .unavailable], count: 5))
        let keys = [key, key]
        for _ in 0..<5 { _ = await guarded.readMany(keys, deadline: .at(60)) }
        for outcome in await guarded.readMany(keys, deadline: .at(60)) {
            guard case .failure(let failure) = outcome else { throw Failure.internalError("not refused") }
            #expect(failure.retryAfterMilliseconds == 150)
        }
        #expect(vault.calls.count == 5)
    }

    /// Many calls, failures and departures at once, in real time: every call
    /// ends, and every place is given back.
    @Test func everyPlaceIsGivenBack() async throws {
        let vault = ScriptedVault()
        let clock = SystemClock()
        var limits = VaultLimits()
        limits.admission.maximum = 4
        limits.maximumQueued = 50
        let guarded = GuardedVault(
            vault, limits: limits, clock: clock, random: SeededRandom(7), sleeper: TaskSleeper(clock: clock))
        vault.script((0..<2_000).map { $0 % 7 == 0 ? unsent : $0 % 11 == 0 ? .notFound : nil })
        let key = key
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<1_000 {
                group.addTask {
                    let task = Task {
                        let end = clock.boot + .milliseconds(Int64(1 + index % 200))
                        return await outcome { () throws(Failure) in try await guarded.read(key, deadline: end) }
                    }
                    if index.isMultiple(of: 5) { task.cancel() }
                    _ = await task.value
                }
            }
        }
        let health = guarded.health
        #expect(health.inFlight == 0 && health.queued == 0)
        #expect(health.peakInFlight <= 4)
        #expect(health.calls + health.rejected >= 700)
        vault.script([])
        _ = try await guarded.read(key, deadline: clock.boot + .seconds(5))
    }
}
