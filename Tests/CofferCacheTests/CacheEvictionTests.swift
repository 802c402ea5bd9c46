import CofferCache
import CofferCore
import Testing

/// Who goes when there is no room.
@Suite struct CacheEvictionTests {
    private let cost = CacheConfiguration.overheadBytes + 8 + 40

    private func filled(_ cache: inout Harness, _ names: [String], uid: UInt32 = 1) throws {
        for name in names { try cache.fill(name, cache.value(1, size: 40), uid: uid) }
    }

    /// How many are there; on a copy, so that nobody is read.
    private func left(_ cache: Harness, _ names: [String]) -> Int {
        var copy = cache
        return names.count { copy.lookup($0) != nil }
    }

    /// One reads a hundred times as many names as fit, each once.
    @Test func aScanLeavesWhatIsInUse() throws {
        var cache = Harness(CacheConfiguration(maximumBytes: 400 * cost))
        let hot = (0..<200).map { "h\($0)" }
        try filled(&cache, hot)
        for _ in 0..<3 { for name in hot { _ = cache.lookup(name) } }
        for index in 0..<20_000 { try cache.fill("s\(index)", cache.value(1, size: 40)) }
        #expect(left(cache, hot) >= 190)
    }

    @Test func whoComesBackSoonIsKept() throws {
        var cache = Harness(CacheConfiguration(maximumBytes: 100 * cost))
        try filled(&cache, (0..<200).map { "k\($0)" })
        // Gone from probation, but remembered: they go to the main queue.
        let back = (165..<175).map { "k\($0)" }
        #expect(left(cache, back) == 0)
        try filled(&cache, back)
        try filled(&cache, (0..<40).map { "s\($0)" })
        #expect(left(cache, back) >= 9)
    }

    @Test func anEntryTakesASixteenthAtMost() throws {
        let limit = 16 * 1_000
        var cache = Harness(CacheConfiguration(maximumBytes: limit))
        let overhead = CacheConfiguration.overheadBytes + 2
        try cache.fill("a", cache.value(1, size: 1_000 - overhead))
        #expect(cache.lookup("a") == 1)
        try cache.fill("a", cache.value(2, size: 1_001 - overhead))
        #expect(cache.lookup("a") == nil)
        #expect(cache.shard.bytes == 0)
    }

    @Test func whatIsExpiredGoesFirst() throws {
        var cache = Harness(CacheConfiguration(maximumBytes: 30 * cost))
        for index in 0..<15 {
            try cache.fill("old\(index)", cache.value(1, size: 40, expiresAt: cache.wall + 10))
            try cache.fill("new\(index)", cache.value(1, size: 40))
        }
        cache.pass(10)
        try filled(&cache, (0..<15).map { "next\($0)" })
        #expect(left(cache, (0..<15).map { "new\($0)" }) == 15)
        #expect(left(cache, (0..<15).map { "next\($0)" }) == 15)
        #expect(cache.shard.evictions == 0)
    }

    @Test func aUidAboveItsShareMakesRoomAtItsOwnExpense() throws {
        var cache = Harness(CacheConfiguration(maximumBytes: 100 * cost))
        let quiet = (0..<20).map { "q\($0)" }
        try filled(&cache, quiet, uid: 7)
        try filled(&cache, (0..<1_000).map { "l\($0)" }, uid: 8)
        #expect(left(cache, quiet) == 20)
        // Room that nobody else wants it may have.
        #expect(cache.shard.bytes(of: 8) > 70 * cost)
    }

    @Test func evictsTheLargestHolderFirst() throws {
        var cache = Harness(CacheConfiguration(maximumBytes: 100 * cost))
        try filled(&cache, (0..<200).map { "l\($0)" }, uid: 8)
        let quiet = (0..<20).map { "q\($0)" }
        try filled(&cache, quiet, uid: 7)
        #expect(left(cache, quiet) == 20)
        try filled(&cache, (0..<1_000).map { "m\($0)" }, uid: 7)
        #expect(cache.shard.bytes(of: 7) <= 25 * cost)
        #expect(cache.shard.bytes(of: 8) > 70 * cost)
    }

    /// What each costs beyond key and value is what is counted for it.
    @Test func aReadValueLiesBehindItsKey() throws {
        var cache = Harness()
        try cache.fill("abc", cache.value(9, size: 5))
        let found = cache.hit("abc")
        let hit = try #require(found)
        #expect(hit.value.bytes == Array("abcc".utf8) + Array(repeating: 9, count: 5))
        #expect(hit.value.offset == 4)
        #expect(cache.shard.bytes == 9 + CacheConfiguration.overheadBytes)
    }
}
