import CofferCache
import CofferCore
import Testing

/// What is in use is read anew before its TTL is over, and absence is known for a
/// short time.
@Suite struct CacheRefreshTests {
    private let ttl: UInt64 = 300_000

    private func refresh(_ cache: inout Harness, _ name: String, hasRoom: Bool = true) -> FlightTicket? {
        cache.shard.beginRefresh(
            hash: cache.hash(name), key: cache.key(name), uid: 1, now: cache.now, hasRoom: hasRoom)
    }

    @Test func eachIsRefreshedOnceFromAPointOfItsOwn() throws {
        var cache = Harness()
        let names = (0..<200).map { "k\($0)" }
        for name in names { try cache.fill(name, cache.value(1)) }
        var told: [String: UInt64] = [:]
        for age in stride(from: UInt64(0), to: ttl, by: 1_000) {
            for name in names where cache.hit(name)?.wantsRefresh == true {
                #expect(told[name] == nil, "told twice")
                told[name] = age
            }
            cache.pass(1_000)
        }
        let ages = told.values.sorted()
        // The very last may come with the TTL itself.
        #expect(ages.count > 195)
        #expect(ages[0] >= ttl * 8 / 10)
        #expect(ages[0] < ttl * 82 / 100)
        #expect((ttl * 87 / 100...ttl * 93 / 100).contains(ages[ages.count / 2]))
    }

    @Test func aRefreshRenewsTheValueAndNobodyWaits() throws {
        var cache = Harness()
        try cache.fill("a", cache.value(1))
        cache.pass(ttl - 1)
        #expect(cache.hit("a")?.wantsRefresh == true)
        let refreshing = refresh(&cache, "a")
        let ticket = try #require(refreshing)
        #expect(ticket.isRefresh)
        #expect(cache.hit("a")?.wantsRefresh == false)
        // It is the flight for all who need one.
        cache.pass(1)
        guard case .follow = cache.join("a", waiter: 4) else {
            Issue.record("a second flight for one key")
            return
        }
        #expect(cache.complete(ticket, .found(cache.value(2))).waiters == [.task(4)])
        #expect(cache.lookup("a") == 2)
        #expect(cache.shard.refreshes == 1)
    }

    @Test func withoutRoomItIsTriedAgainASecondLater() throws {
        var cache = Harness()
        try cache.fill("a", cache.value(1))
        cache.pass(ttl - 2_000)
        while cache.hit("a")?.wantsRefresh != true { cache.pass(1) }
        #expect(refresh(&cache, "a", hasRoom: false) == nil)
        cache.pass(999)
        #expect(cache.hit("a")?.wantsRefresh == false)
    }

    @Test func aFailedOneIsNotTriedAgainForThirtySeconds() throws {
        var cache = Harness(CacheConfiguration(ttlMilliseconds: 3_600_000))
        try cache.fill("a", cache.value(1))
        cache.pass(2_880_000)
        while cache.hit("a")?.wantsRefresh != true { cache.pass(1_000) }
        let refreshing = refresh(&cache, "a")
        let ticket = try #require(refreshing)
        cache.complete(ticket, .failedTransiently)
        cache.pass(29_999)
        #expect(cache.hit("a")?.wantsRefresh != true)
    }

    @Test func noneBesideAFlightOrAWriteOrWithoutAnEntry() throws {
        var cache = Harness()
        try cache.fill("a", cache.value(1))
        #expect(refresh(&cache, "b") == nil)
        _ = try cache.lead("a", maximumAge: 0)
        #expect(refresh(&cache, "a") == nil)
        _ = cache.beginWrite("a")
        #expect(refresh(&cache, "a") == nil)
    }

    /// GetMany gives it while the vault does not answer; the vault is asked all the same.
    @Test func whatAWriteLeftInDoubtIsReadAnew() throws {
        var cache = Harness()
        try cache.fill("a", cache.value(1))
        let write = cache.beginWrite("a")
        #expect(refresh(&cache, "a") == nil)
        cache.endWrite(write, .uncertain)
        let refreshing = refresh(&cache, "a")
        let ticket = try #require(refreshing)
        cache.complete(ticket, .found(cache.value(2)))
        #expect(cache.lookup("a") == 2)
    }

    /// All shards together have no more under way than may be.
    @Test func theCacheLimitsRefreshes() throws {
        let cache = Cache(configuration: CacheConfiguration(maximumRefreshes: 2), random: SystemRandom())
        let now = BootInstant(nanoseconds: 1_000_000_000)
        let keys = try (0..<20).map { try RecordKey(user: "u\($0)", connection: "c") }
        for key in keys {
            guard case .lead(let ticket, _) = cache.join(
                key, waiter: .task(0), uid: 1, now: now, wall: 1, maximumAge: .max)
            else { throw Failure.internalError("not the leader") }
            let value = CachedValue(sealed: [1], nonce: 1, fetchedAt: now, expiresAt: 0)
            _ = cache.complete(ticket, .found(value), now: now, wall: 1)
        }
        let tickets = keys.compactMap { cache.beginRefresh($0, uid: 1, now: now) }
        #expect(tickets.count == 2)
        _ = cache.complete(tickets[0], .failedTransiently, now: now, wall: 1)
        _ = cache.complete(tickets[0], .failedTransiently, now: now, wall: 1)
        #expect(keys.compactMap { cache.beginRefresh($0, uid: 1, now: now) }.count == 1)
        #expect(cache.usage.refreshes == 3)
    }

    @Test func absenceIsKnownForFiveSeconds() throws {
        var cache = Harness()
        try cache.fail("a", .absent)
        #expect(cache.isAbsent("a") == true)
        cache.pass(4_999)
        #expect(cache.isAbsent("a", maximumAge: 4_999) == true)
        #expect(cache.isAbsent("a", maximumAge: 4_998) == false)
        cache.pass(1)
        #expect(cache.isAbsent("a") == false)
    }

    @Test func butNeverForMoreThanATenthOfTheTTL() throws {
        var cache = Harness(CacheConfiguration(ttlMilliseconds: 1_000))
        try cache.fail("a", .absent)
        cache.pass(99)
        #expect(cache.isAbsent("a") == true)
        cache.pass(1)
        #expect(cache.isAbsent("a") == false)
    }

    @Test(arguments: [false, true]) func aStoreEndsAbsence(isAmbiguous: Bool) throws {
        var cache = Harness()
        try cache.fail("a", .absent)
        let write = cache.beginWrite("a")
        cache.endWrite(write, isAmbiguous ? .uncertain : .acknowledged(cache.value(1)))
        #expect(cache.isAbsent("a") == false)
        #expect(cache.lookup("a") == (isAmbiguous ? nil : 1))
    }

    @Test func aDeleteMakesIt() throws {
        var cache = Harness()
        let write = cache.beginWrite("a")
        cache.endWrite(write, .acknowledged(nil))
        #expect(cache.isAbsent("a") == true)
    }

    @Test func onlyTheVaultsWordMakesIt() throws {
        var cache = Harness()
        try cache.fail("a", .refusedDefinitely)
        #expect(cache.isAbsent("a") == false)
        try cache.fail("a", .failedTransiently)
        #expect(cache.isAbsent("a") == false)
    }

    /// However many names are asked for that are not there.
    @Test func absenceTakesATenthAtMost() throws {
        let limit = 100 * 200
        var cache = Harness(CacheConfiguration(maximumBytes: limit))
        for index in 0..<80 { try cache.fill("k\(index)", cache.value(1)) }
        for index in 0..<1_000 {
            try cache.fail("none\(index)", .absent)
            #expect(cache.shard.absentBytes <= limit / 10)
        }
        #expect(cache.isAbsent("none999") == true)
        #expect((0..<80).count { cache.lookup("k\($0)") != nil } == 80)
    }
}
