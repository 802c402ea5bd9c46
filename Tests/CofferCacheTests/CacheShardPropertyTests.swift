import CofferCache
import CofferCacheSimulation
import CofferCore
import Testing

@Suite struct CacheShardPropertyTests {
    @Test func theMaximumAgeIsOldEnough() throws {
        var cache = Harness()
        try cache.fill("a", hash: 1, cache.value(1))
        cache.now = cache.now + .milliseconds(5)
        #expect(cache.lookup("a", hash: 1, maximumAge: 5) == 1)
        #expect(cache.lookup("a", hash: 1, maximumAge: 4) == nil)
    }

    @Test func invalidatingAKeyFencesReadsUnderWay() throws {
        var cache = Harness()
        try cache.fill("a", hash: 1, cache.value(1))
        let slow = try cache.lead("a", hash: 1, maximumAge: 0)
        #expect(cache.shard.invalidate(hash: 1) == 1)
        cache.complete(slow, .found(cache.value(1)))
        #expect(cache.lookup("a", hash: 1) == nil)
        #expect(cache.shard.invalidate(hash: 1) == 0)
    }

    @Test func keysWithOneHashAreNotConfused() throws {
        var cache = Harness()
        try cache.fill("a", hash: 7, cache.value(1))
        #expect(cache.lookup("b", hash: 7) == nil)
        _ = try cache.lead("a", hash: 7, maximumAge: 0)
        // Not the answer of the other key's flight.
        guard case .lead(let ticket, _) = cache.join("b", hash: 7) else {
            Issue.record("joined the flight of another key")
            return
        }
        cache.complete(ticket, .found(cache.value(2)))
        #expect(cache.lookup("b", hash: 7) == 2)
        #expect(cache.lookup("a", hash: 7) == nil)
    }

    /// Random fills, reads and drops by several uids: whatever is found is what was
    /// put in last, the bytes are those of what can be found, and nobody above its
    /// share took anything from others.
    @Test(arguments: 0..<40) func findsOnlyWhatWasPutInAndCountsItsBytes(seed: UInt64) throws {
        var random = SplitMix(seed: seed)
        let limit = 20 * (CacheConfiguration.overheadBytes + 20)
        var cache = Harness(CacheConfiguration(maximumBytes: limit))
        let names = (0..<40).map { "k\($0)" }
        var model: [Int: (byte: UInt8, cost: Int, uid: UInt32)] = [:]
        for step in 0..<500 {
            let index = random.below(names.count)
            let hash = UInt64(index) << 32 | UInt64(index)
            switch random.below(6) {
            case 0...2:
                let size = 1 + random.below(40)
                let byte = UInt8(random.below(256))
                let uid = UInt32(1 + random.below(3) * random.below(2))
                let before = (1...3).map { cache.shard.bytes(of: $0) }
                try cache.fill(names[index], hash: hash, cache.value(byte, size: size), uid: uid)
                for other in 1...3 where UInt32(other) != uid && model[index]?.uid != UInt32(other) {
                    let isOver = cache.shard.bytes(of: uid) > limit / CacheConfiguration.sharePart
                    let lost = before[other - 1] - cache.shard.bytes(of: UInt32(other))
                    #expect(!isOver || lost <= 0, "seed \(seed), step \(step)")
                }
                let cost = names[index].utf8.count + 1 + size + CacheConfiguration.overheadBytes
                model[index] = (byte, cost, uid)
            case 3, 4:
                if let found = cache.lookup(names[index], hash: hash) {
                    #expect(found == model[index]?.byte, "seed \(seed), step \(step)")
                }
            default:
                _ = cache.shard.invalidate(hash: hash)
                model[index] = nil
            }
            #expect(cache.shard.bytes <= limit, "seed \(seed), step \(step)")
        }
        let found = names.indices.filter { cache.lookup(names[$0], hash: UInt64($0) << 32 | UInt64($0)) != nil }
        #expect(cache.shard.count == found.count)
        #expect(cache.shard.bytes == found.reduce(0) { $0 + (model[$1]?.cost ?? 0) })
        for uid in [1, 2, 3] as [UInt32] {
            let held = found.reduce(0) { $0 + (model[$1]?.uid == uid ? model[$1]?.cost ?? 0 : 0) }
            #expect(cache.shard.bytes(of: uid) == held, "seed \(seed), uid \(uid)")
        }
        #expect(!found.isEmpty)
    }
}
