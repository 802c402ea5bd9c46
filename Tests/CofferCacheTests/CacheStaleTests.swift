import CofferCache
import CofferCore
import Testing

/// Values past their TTL, in place of a vault that cannot be asked.
@Suite struct CacheStaleTests {
    private let ttl: UInt64 = 300_000

    private func filled(_ configuration: CacheConfiguration = CacheConfiguration()) throws -> Harness {
        var cache = Harness(configuration)
        try cache.fill("a", cache.value(1))
        return cache
    }

    /// What a read of "a" gets when the vault cannot be asked.
    private func failedRead(_ cache: inout Harness) throws -> CacheDelivery {
        let ticket = try cache.lead("a")
        return cache.complete(ticket, .failedTransiently)
    }

    @Test func whoWaitsForAReadThatFailsGetsWhatIsThere() throws {
        var cache = try filled()
        cache.pass(ttl + 5)
        let ticket = try cache.lead("a", waiter: 1)
        guard case .follow = cache.join("a", waiter: 2) else {
            Issue.record("did not follow")
            return
        }
        let delivery = cache.complete(ticket, .failedTransiently)
        #expect(delivery.servedStale == [.task(1), .task(2)])
        #expect(delivery.waiters == [])
        #expect(delivery.stale?.byte == 1)
        #expect(delivery.stale?.ageMilliseconds == ttl + 5)
        #expect(delivery.stale?.isStale == true)
        #expect(cache.shard.staleAnswers == 2)
    }

    @Test func aWaiterGetsNothingOlderThanItAskedFor() throws {
        var cache = try filled()
        cache.pass(ttl)
        let ticket = try cache.lead("a", waiter: 1, maximumAge: ttl - 1)
        guard case .follow = cache.join("a", waiter: 2) else {
            Issue.record("did not follow")
            return
        }
        let delivery = cache.complete(ticket, .failedTransiently)
        #expect(delivery.waiters == [.task(1)])
        #expect(delivery.servedStale == [.task(2)])
    }

    @Test func forThirtySecondsAfterAFailureNobodyAsks() throws {
        var cache = try filled()
        cache.pass(ttl)
        #expect(cache.lookup("a") == nil)
        try cache.fail("a", .failedTransiently)
        #expect(cache.hit("a")?.isStale == true)
        cache.pass(29_999)
        #expect(cache.hit("a")?.ageMilliseconds == ttl + 29_999)
        // Who wants the vault asked has it asked.
        _ = try cache.lead("a", maximumAge: 0)
        cache.pass(1)
        #expect(cache.hit("a") == nil)
    }

    @Test func forFiveSecondsIfTheVaultWasNotAsked() throws {
        var cache = try filled()
        cache.pass(ttl)
        try cache.fail("a", .turnedAway)
        cache.pass(4_999)
        #expect(cache.hit("a")?.isStale == true)
        cache.pass(1)
        #expect(cache.hit("a") == nil)
    }

    @Test func endsAtTheCap() throws {
        var cache = try filled(CacheConfiguration(staleMilliseconds: 60_000))
        cache.pass(ttl + 59_999)
        let last = try cache.lead("a")
        #expect(cache.complete(last, .failedTransiently).stale?.byte == 1)
        cache.pass(1)
        #expect(cache.lookup("a") == nil)
        let late = try cache.lead("a")
        #expect(cache.complete(late, .failedTransiently).waiters == [.task(0)])
    }

    @Test func noneIfTheCapIsZero() throws {
        var cache = try filled(CacheConfiguration(staleMilliseconds: 0))
        cache.pass(ttl)
        let ticket = try cache.lead("a")
        #expect(cache.complete(ticket, .failedTransiently).stale == nil)
    }

    @Test func theRecordsOwnExpiryEndsItToo() throws {
        var cache = Harness()
        try cache.fill("a", cache.value(1, expiresAt: cache.wall + ttl + 10))
        cache.pass(ttl + 10)
        let ticket = try cache.lead("a")
        #expect(cache.complete(ticket, .failedTransiently).stale == nil)
    }

    @Test(arguments: [false, true]) func aDefiniteNoEndsIt(isAbsent: Bool) throws {
        var cache = try filled()
        cache.pass(ttl)
        try cache.fail("a", isAbsent ? .absent : .refusedDefinitely)
        cache.pass(5_000)
        let ticket = try cache.lead("a")
        #expect(cache.complete(ticket, .failedTransiently).stale == nil)
    }

    /// As when the vault is away: who stores something in vain does not lose what was there.
    @Test func aWriteThatWasNotSentLeavesWhatIsCached() throws {
        var cache = try filled()
        cache.pass(ttl)
        try cache.fail("a", .failedTransiently)
        let write = cache.beginWrite("a")
        #expect(cache.lookup("a") == nil)
        cache.endWrite(write, .notWritten)
        let hit = cache.hit("a")
        #expect(hit?.byte == 1)
        #expect(hit?.isStale == true)
        #expect(cache.shard.bytes(of: 1) == cache.shard.bytes)
    }

    /// The vault is away, and the Store was perhaps done: what was there is given until the
    /// vault says otherwise, and always as stale.
    @Test func aWriteThatMayHaveHappenedLeavesWhatIsCachedAsStale() throws {
        var cache = Harness()
        try cache.fill("a", cache.value(1))
        cache.pass(10)
        let write = cache.beginWrite("a")
        cache.endWrite(write, .uncertain)
        #expect(cache.lookup("a") == nil)
        for outcome in [FlightOutcome.failedTransiently, .turnedAway] {
            let ticket = try cache.lead("a", waiter: 3)
            let delivery = cache.complete(ticket, outcome)
            #expect(delivery.servedStale == [.task(3)] && delivery.stale?.byte == 1 && delivery.stale?.isStale == true)
            // For a while nobody waits for the vault.
            #expect(cache.hit("a")?.isStale == true)
            cache.pass(outcome.recheckMilliseconds)
            #expect(cache.lookup("a") == nil)
        }
        // Nobody who wants the vault asked gets it.
        let strict = try cache.lead("a", maximumAge: 0)
        #expect(cache.complete(strict, .failedTransiently).stale == nil)
        try cache.fill("a", cache.value(2))
        let new = cache.hit("a")
        #expect(new?.byte == 2 && new?.isStale == false)
    }

    @Test(arguments: [false, true]) func theVaultsWordEndsTheDoubt(isAbsent: Bool) throws {
        var cache = Harness()
        try cache.fill("a", cache.value(1))
        let write = cache.beginWrite("a")
        cache.endWrite(write, .uncertain)
        try cache.fail("a", isAbsent ? .absent : .refusedDefinitely)
        cache.pass(5_000)
        #expect(try failedRead(&cache).stale == nil)
    }

    @Test func whatIsInDoubtEndsAtItsExpiryAndAtTheCap() throws {
        var cache = Harness()
        try cache.fill("a", cache.value(1, expiresAt: cache.wall + 10))
        let write = cache.beginWrite("a")
        cache.endWrite(write, .uncertain)
        cache.pass(10)
        #expect(try failedRead(&cache).stale == nil)

        var bare = try filled(CacheConfiguration(staleMilliseconds: 0))
        let vain = bare.beginWrite("a")
        bare.endWrite(vain, .uncertain)
        #expect(try failedRead(&bare).stale == nil)
    }

    /// A Store hangs, and so does the vault: those who read meanwhile get what was there.
    @Test func duringAWriteWhoCannotAskTheVaultGetsWhatIsThere() throws {
        var cache = try filled()
        let write = cache.beginWrite("a")
        let ticket = try cache.lead("a", waiter: 1)
        let delivery = cache.complete(ticket, .turnedAway)
        #expect(delivery.servedStale == [.task(1)] && delivery.stale?.isStale == true)
        let slow = try cache.lead("a", waiter: 2)
        cache.pass(1_500)
        let given = cache.shard.takeStale(flight: slow.id, now: cache.now, wall: cache.wall)
        #expect(given.servedStale == [.task(2)] && given.stale?.isStale == true)
        cache.endWrite(write, .acknowledged(cache.value(2)))
        let new = cache.hit("a")
        #expect(new?.byte == 2 && new?.isStale == false)
    }

    /// Read-your-writes: what an acknowledged write replaced is not given, whatever follows.
    @Test(arguments: [false, true]) func anAcknowledgedWriteEndsWhatIsInDoubt(isDelete: Bool) throws {
        var cache = try filled()
        let first = cache.beginWrite("a")
        let second = cache.beginWrite("a")
        cache.endWrite(first, .acknowledged(isDelete ? nil : cache.value(2)))
        cache.endWrite(second, .notWritten)
        #expect(try failedRead(&cache).stale == nil)
    }

    /// A hundred Stores in vain, all at once and one after the other, in both orders.
    @Test func writesThatWereNotDoneLeaveAllAsItWas() throws {
        var cache = Harness()
        for name in ["a", "b", "c"] { try cache.fill(name, cache.value(1)) }
        let (bytes, uid) = (cache.shard.bytes, cache.shard.bytes(of: 1))
        for isReversed in [false, true] {
            let writes = (0..<100).map { cache.beginWrite(["a", "b", "c"][$0 % 3]) }
            for write in isReversed ? writes.reversed() : writes { cache.endWrite(write, .notWritten) }
            for name in ["a", "b", "c"] { #expect(cache.hit(name)?.isStale == false) }
        }
        #expect(cache.shard.bytes == bytes && cache.shard.bytes(of: 1) == uid)
    }

    @Test func whatIsKnownToBeAbsentIsDroppedIfAWriteMayHaveHappened() throws {
        var cache = Harness(CacheConfiguration(negativeMilliseconds: 5_000))
        try cache.fail("a", .absent)
        let write = cache.beginWrite("a")
        #expect(cache.isAbsent("a") == false)
        cache.endWrite(write, .uncertain)
        #expect(cache.isAbsent("a") == false)
        #expect(cache.shard.absentBytes == 0)
    }

    @Test func whatIsKnownToBeAbsentStaysToo() throws {
        var cache = Harness(CacheConfiguration(negativeMilliseconds: 5_000))
        try cache.fail("a", .absent)
        let write = cache.beginWrite("a")
        cache.endWrite(write, .notWritten)
        #expect(cache.isAbsent("a") == true)
    }

    @Test func nothingComesBackThatWasDroppedDuringTheWrite() throws {
        var cache = try filled()
        var write = cache.beginWrite("a")
        _ = cache.shard.invalidate(hash: cache.hash("a"))
        cache.endWrite(write, .notWritten)
        #expect(cache.lookup("a") == nil)

        try cache.fill("a", cache.value(1))
        write = cache.beginWrite("a")
        try cache.fail("a", .refusedDefinitely)
        cache.endWrite(write, .notWritten)
        #expect(cache.lookup("a") == nil)

        try cache.fill("a", cache.value(1))
        write = cache.beginWrite("a")
        let other = cache.beginWrite("a")
        cache.endWrite(other, .uncertain)
        cache.endWrite(write, .notWritten)
        #expect(cache.lookup("a") == nil)

        // A condition that does not hold says that the vault has something else.
        try cache.fill("a", cache.value(1))
        write = cache.beginWrite("a")
        cache.endWrite(write, .uncertain)
        #expect(cache.lookup("a") == nil)
    }

    /// A flight that set out before, or a write under way, brings nothing back.
    @Test func whatWasReadBeforeADefiniteNoIsNotCachedAfterIt() throws {
        var cache = Harness()
        let first = try cache.lead("a", maximumAge: 0)
        let second = try cache.lead("a", maximumAge: 0)
        cache.complete(first, .refusedDefinitely)
        cache.complete(second, .found(cache.value(1)))
        #expect(cache.lookup("a") == nil)
        let write = cache.beginWrite("a")
        try cache.fail("a", .refusedDefinitely)
        cache.endWrite(write, .acknowledged(cache.value(2)))
        #expect(cache.lookup("a") == nil)
    }

    @Test func whoHasWaitedForASecondAndAHalfNeedNotWait() throws {
        var cache = try filled()
        cache.pass(ttl)
        guard case .lead(let ticket, let patience?) = cache.join("a", waiter: 1) else {
            Issue.record("no patience is told")
            return
        }
        #expect(patience.milliseconds(since: cache.now) == 1_500)
        guard case .follow(ticket.id, nil) = cache.join("a", waiter: 2) else {
            Issue.record("the time is told twice, or no flight is followed")
            return
        }
        guard case .follow(ticket.id, nil) = cache.join("a", waiter: 3, maximumAge: 1_000) else {
            Issue.record("no flight is followed")
            return
        }
        #expect(cache.shard.takeStale(flight: ticket.id, now: cache.now, wall: cache.wall).servedStale == [])
        cache.pass(1_500)
        let given = cache.shard.takeStale(flight: ticket.id, now: cache.now, wall: cache.wall)
        #expect(given.servedStale == [.task(1), .task(2)])
        #expect(given.stale?.ageMilliseconds == ttl + 1_500)
        // Who comes now need not wait at all.
        guard case .hit(let late) = cache.join("a", waiter: 4) else {
            Issue.record("has to wait")
            return
        }
        #expect(late.isStale)
        // The flight goes on, and fills the cache.
        #expect(cache.complete(ticket, .found(cache.value(2))).waiters == [.task(3)])
        #expect(cache.lookup("a") == 2)
    }

    @Test func withoutSomethingStaleThereIsNoTimeToWait() throws {
        var cache = Harness()
        guard case .lead(_, nil) = cache.join("a") else {
            Issue.record("there is nothing to wait for")
            return
        }
    }

    @Test func whereThereIsNoRoomForAFlightStaleWillDo() throws {
        var cache = try filled(CacheConfiguration(maximumFlights: 1))
        cache.pass(ttl)
        _ = try cache.lead("b")
        guard case .hit(let hit) = cache.join("a"), case .refused = cache.join("a", maximumAge: 1) else {
            Issue.record("refused, or not")
            return
        }
        #expect(hit.isStale)
    }

    // MARK: What a vault says may have changed

    @Test func whatMayHaveChangedIsAskedForAgain() throws {
        var cache = try filled()
        try cache.fill("b", cache.value(2))
        let late = try cache.lead("c")
        cache.shard.doubt { $0.user != "b" }
        #expect(cache.lookup("a") == nil)
        #expect(cache.lookup("b") == 2)
        // A read that was under way may be from before.
        cache.complete(late, .found(cache.value(3)))
        #expect(cache.lookup("c") == nil)
        // While the vault cannot be asked, the value still does, as stale.
        let ticket = try cache.lead("a", waiter: 1)
        let stale = cache.complete(ticket, .failedTransiently).stale
        #expect(stale?.byte == 1 && stale?.isStale == true)
        try cache.fill("a", cache.value(4))
        #expect(cache.hit("a")?.isStale == false)
        #expect(cache.lookup("a") == 4)
    }

    @Test func anAbsenceThatMayHaveEndedIsAskedForAgain() throws {
        var cache = Harness()
        try cache.fail("a", .absent)
        let wasAbsent = cache.isAbsent("a")
        cache.shard.doubt { _ in true }
        let isAbsent = cache.isAbsent("a")
        #expect(wasAbsent && !isAbsent)
    }

    @Test func aWriteInVainDoesNotEndThatDoubt() throws {
        var cache = try filled()
        let write = cache.beginWrite("a")
        cache.shard.doubt { _ in true }
        cache.endWrite(write, .notWritten)
        #expect(cache.lookup("a") == nil)
    }

    /// An hour's outage, with a cap as long: all that was read is given throughout.
    @Test func anOutageOfAnHourIsBridged() throws {
        var cache = Harness()
        let names = (0..<20).map { "k\($0)" }
        for name in names { try cache.fill(name, cache.value(7)) }
        var asked = 0
        for _ in 0..<3_600 {
            cache.pass(1_000)
            for name in names where cache.lookup(name) == nil {
                asked += 1
                let ticket = try cache.lead(name)
                #expect(cache.complete(ticket, .failedTransiently).stale?.byte == 7)
            }
        }
        // Once in 30 s for each key, after the TTL.
        #expect((names.count * 105...names.count * 111).contains(asked), "\(asked)")
    }
}
