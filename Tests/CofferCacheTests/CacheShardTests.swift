import CofferCache
import CofferCore
import Testing

@Suite struct CacheShardTests {
    @Test func keepsAnAnswerForTheTTL() throws {
        var cache = Harness()
        try cache.fill("a", cache.value(1))
        #expect(cache.lookup("a") == 1)
        cache.now = cache.now + .milliseconds(299_999)
        #expect(cache.lookup("a") == 1)
        #expect(cache.lookup("a", maximumAge: 299_998) == nil)
        cache.now = cache.now + .milliseconds(1)
        #expect(cache.lookup("a") == nil)
    }

    @Test func theRecordsOwnExpiryWins() throws {
        var cache = Harness()
        try cache.fill("a", cache.value(1, expiresAt: cache.wall + 1))
        #expect(cache.lookup("a") == 1)
        cache.wall += 1
        #expect(cache.lookup("a") == nil)
        #expect(cache.shard.count == 0)
    }

    @Test func oneFlightForAllWhoAsk() throws {
        var cache = Harness()
        let ticket = try cache.lead("a", waiter: 0)
        for waiter in 1..<1_000 {
            guard case .follow = cache.join("a", waiter: UInt64(waiter)) else {
                Issue.record("waiter \(waiter) started a flight")
                return
            }
        }
        let waiters = cache.complete(ticket, .found(cache.value(1))).waiters
        #expect(waiters == (0..<1_000).map { .task($0) })
        #expect(cache.lookup("a") == 1)
        #expect(cache.shard.flightCount == 0)
    }

    @Test func aFreshReadDoesNotJoin() throws {
        var cache = Harness()
        _ = try cache.lead("a")
        _ = try cache.lead("a", waiter: 1, maximumAge: 0)
        guard case .follow = cache.join("a", waiter: 2) else {
            Issue.record("the newest flight can be joined")
            return
        }
    }

    /// Who has missed and then waited for the lock finds what came meanwhile.
    @Test func joiningLooksAgain() throws {
        var cache = Harness()
        try cache.fill("a", cache.value(1))
        guard case .hit(let hit) = cache.join("a", waiter: 1) else {
            Issue.record("a second flight was started")
            return
        }
        #expect(hit.byte == 1)
        #expect(hit.ageMilliseconds == 0)
        cache.now = cache.now + .seconds(300)
        _ = try cache.lead("a", waiter: 2)
    }

    @Test func limitsWaitersAndFlights() throws {
        var cache = Harness(CacheConfiguration(maximumWaiters: 2, maximumFlights: 2))
        _ = try cache.lead("a")
        guard case .follow = cache.join("a", waiter: 1), case .refused = cache.join("a", waiter: 2)
        else {
            Issue.record("a third waiter was taken")
            return
        }
        _ = try cache.lead("b")
        guard case .refused = cache.join("c", waiter: 3) else {
            Issue.record("a third flight was started")
            return
        }
    }

    @Test func aUIDTakesItsShareOfFlightsOnly() throws {
        var cache = Harness(CacheConfiguration(maximumFlights: 3, maximumFlightsPerUID: 2))
        let first = try cache.lead("a", uid: 1)
        _ = try cache.lead("b", uid: 1)
        guard case .refused = cache.join("c", uid: 1) else {
            Issue.record("a uid was given a flight too many")
            return
        }
        let other = try cache.lead("c", uid: 2)
        guard case .refused = cache.join("d", uid: 2) else {
            Issue.record("there is a flight too many")
            return
        }
        cache.complete(first, .absent)
        _ = try cache.lead("e", uid: 1)
        cache.complete(other, .absent)
    }

    @Test func whoLeavesGetsNothingAndMakesRoomForOthers() throws {
        var cache = Harness(CacheConfiguration(maximumWaiters: 2))
        let ticket = try cache.lead("a")
        for waiter: UInt64 in 1..<10 {
            guard case .follow(let flight, _) = cache.join("a", waiter: waiter) else {
                Issue.record("waiter \(waiter) was not taken")
                return
            }
            let isClosed = cache.shard.leave(flight: flight, waiter: .task(waiter), isClosing: true)
            #expect(!isClosed)
        }
        let isClosedForOthers = cache.shard.leave(flight: ticket.id, waiter: .task(0), isClosing: false)
        #expect(!isClosedForOthers)
        let waiters = cache.complete(ticket, .found(cache.value(1))).waiters
        #expect(waiters.isEmpty)
        #expect(cache.lookup("a") == 1, "the flight went on for who comes later")
        let isUnderWay = cache.shard.leave(flight: ticket.id, waiter: .task(0), isClosing: true)
        #expect(!isUnderWay)
    }

    /// So it can be broken off, and nobody gets that for an answer.
    @Test func aFlightThatIsClosedIsNotJoinedNorCached() throws {
        var cache = Harness()
        let closed = try cache.lead("a")
        let isClosed = cache.shard.leave(flight: closed.id, waiter: .task(0), isClosing: true)
        #expect(isClosed)
        let next = try cache.lead("a", waiter: 1)
        #expect(cache.complete(closed, .found(cache.value(1))).waiters.isEmpty)
        #expect(cache.lookup("a") == nil)
        #expect(cache.complete(next, .found(cache.value(2))).waiters == [.task(1)])
        #expect(cache.lookup("a") == 2)
    }

    @Test func aDefiniteNoEvictsAndATransientOneDoesNot() throws {
        var cache = Harness()
        try cache.fill("a", cache.value(1))
        try cache.fail("a", .failedTransiently)
        #expect(cache.lookup("a") == 1)
        try cache.fail("a", .refusedDefinitely)
        #expect(cache.lookup("a") == nil)
    }

    @Test func aSlowReadNeverBringsAnOldValueBack() throws {
        var cache = Harness()
        let slow = try cache.lead("a")
        let write = cache.beginWrite("a")
        cache.endWrite(write, .acknowledged(cache.value(2)))
        #expect(cache.lookup("a") == 2)
        cache.complete(slow, .found(cache.value(1)))
        #expect(cache.lookup("a") == 2)
    }

    @Test func whoAsksAfterAWriteDoesNotJoinAReadFromBefore() throws {
        var cache = Harness(CacheConfiguration(ttlMilliseconds: 0))
        _ = try cache.lead("a")
        let write = cache.beginWrite("a")
        cache.endWrite(write, .acknowledged(cache.value(2)))
        _ = try cache.lead("a", waiter: 1)
    }

    @Test func duringAWriteNobodySharesOrCaches() throws {
        var cache = Harness()
        try cache.fill("a", cache.value(1))
        let write = cache.beginWrite("a")
        #expect(cache.lookup("a") == nil)
        let during = try cache.lead("a", waiter: 1)
        _ = try cache.lead("a", waiter: 2)
        cache.complete(during, .found(cache.value(1)))
        cache.endWrite(write, .uncertain)
        #expect(cache.lookup("a") == nil)
    }

    /// The vault may take seconds over it, and "b" shares its stripe.
    @Test func aWriteHidesNothingOfOtherKeys() throws {
        var cache = Harness()
        let (a, b): (UInt64, UInt64) = (1, 2)
        try cache.fill("b", hash: b, cache.value(1))
        let write = cache.beginWrite("a", hash: a)
        #expect(cache.lookup("b", hash: b) == 1)
        cache.pass(300_000)
        let read = try cache.lead("b", hash: b, waiter: 1)
        cache.pass(1_500)
        let delivery = cache.shard.takeStale(flight: read.id, now: cache.now, wall: cache.wall)
        #expect(delivery.servedStale == [.task(1)])
        #expect(delivery.stale?.byte == 1)
        guard case .hit = cache.join("b", hash: b, waiter: 2) else {
            Issue.record("waits though the read is known to be slow")
            return
        }
        cache.complete(read, .found(cache.value(2)))
        #expect(cache.lookup("b", hash: b) == 2)
        cache.endWrite(write, .acknowledged(cache.value(3)))
        #expect(cache.lookup("a", hash: a) == 3)
        #expect(cache.lookup("b", hash: b) == 2)
    }

    @Test func afterTwoWritesAtOnceNobodyKnows() throws {
        var cache = Harness()
        let first = cache.beginWrite("a")
        let second = cache.beginWrite("a")
        cache.endWrite(second, .acknowledged(cache.value(2)))
        cache.endWrite(first, .acknowledged(cache.value(1)))
        #expect(cache.lookup("a") == nil)
    }

    @Test func invalidatingFencesReadsUnderWay() throws {
        var cache = Harness()
        try cache.fill("a", cache.value(1))
        try cache.fill("b", cache.value(2))
        let slow = try cache.lead("a", maximumAge: 0)
        #expect(cache.shard.invalidate(user: Array("a".utf8)) == 1)
        cache.complete(slow, .found(cache.value(1)))
        #expect(cache.lookup("a") == nil)
        #expect(cache.lookup("b") == 2)
        #expect(cache.shard.invalidate(user: nil) == 1)
        #expect(cache.lookup("b") == nil)
        #expect(cache.shard.bytes == 0)
    }

    @Test func staysWithinItsBytesAndKeepsWhatIsRead() throws {
        let limit = 100 * (CacheConfiguration.overheadBytes + 64)
        var cache = Harness(CacheConfiguration(maximumBytes: limit))
        try cache.fill("hot", cache.value(7, size: 40))
        for index in 0..<5_000 {
            try cache.fill("k\(index)", cache.value(1, size: 40))
            #expect(cache.shard.bytes <= limit)
            #expect(cache.lookup("hot") == 7)
        }
        #expect(cache.shard.count > 90)
        #expect(cache.shard.evictions > 4_000)
        try cache.fill("huge", cache.value(1, size: limit))
        #expect(cache.lookup("huge") == nil)
    }
}
