import CofferCache
import CofferCacheSimulation
import CofferWorkload
import Testing

/// Traces of a few lines, on each cache: what comes out can be counted by hand.
@Suite struct ReplayTests {
    static func replay(_ lines: String, records: Int = 4) throws -> Replay {
        Replay(try Trace(text: Array("coffer-trace 1\nrecords \(records)\n\(lines)\n".utf8)))
    }

    static func score(
        gets: Int, hits: Int = 0, reads: Int = 0, failedReads: Int = 0, stale: Int = 0, failed: Int = 0,
        outdated: Int = 0
    ) -> ReplayScore {
        var score = ReplayScore()
        (score.gets, score.hits, score.reads, score.failedReads) = (gets, hits, reads, failedReads)
        (score.stale, score.failed, score.outdated) = (stale, failed, outdated)
        return score
    }

    /// Room for so many records, in each of the 16 shards: nothing is evicted.
    static let roomy = 1 << 20

    @Test func lruKeepsWhatWasReadLast() throws {
        // 1 is read again before 3 comes, so 2 goes.
        let replay = try Self.replay("0 G 1\n1 G 2\n2 G 1\n3 G 3\n4 G 1\n5 G 2")
        #expect(replay.lru(entries: 2) == Self.score(gets: 6, hits: 2, reads: 4))
    }

    @Test func theAgentKeepsWhatCameLast() throws {
        // 1 came first, so it goes, read or not.
        let replay = try Self.replay("0 G 1\n1 G 2\n2 G 1\n3 G 3\n4 G 1\n5 G 2")
        #expect(replay.agent(entries: 2) == Self.score(gets: 6, hits: 1, reads: 5))
    }

    @Test func theAgentTakesAThousand() throws {
        let gets = (0...1_000).map { "\($0) G \($0)" }
        let replay = try Self.replay((gets + ["1001 G 1", "1002 G 0"]).joined(separator: "\n"), records: 1_001)
        #expect(replay.agent(entries: 5_000) == Self.score(gets: 1_003, hits: 1, reads: 1_002))
        #expect(replay.lru(entries: 5_000) == Self.score(gets: 1_003, hits: 2, reads: 1_001))
    }

    @Test func oldCopiesAreReadAnew() throws {
        let replay = try Self.replay("0 G 1\n299999 G 1\n300000 G 1\n300001 G 1")
        #expect(replay.lru(entries: 2) == Self.score(gets: 4, hits: 2, reads: 2))
        // A TTL is over one millisecond later for the agent.
        #expect(replay.agent(entries: 2) == Self.score(gets: 4, hits: 2, reads: 2))
        // Coffer read it anew before its time was over, when it was asked for at 299,999 ms.
        #expect(try replay.coffer(bytes: Self.roomy) == Self.score(gets: 4, hits: 3, reads: 2))
        #expect(try replay.evictionAlone(bytes: Self.roomy) == Self.score(gets: 4, hits: 2, reads: 2))
    }

    @Test func theAgentSeesAWriteWhenTheTTLIsOver() throws {
        let replay = try Self.replay("0 G 1\n1 S 1\n2 G 1\n3 D 2\n300002 G 1\n300003 G 1")
        // One call says that there is a newer version, one gets it.
        #expect(replay.agent(entries: 4) == Self.score(gets: 4, hits: 2, reads: 3, outdated: 1))
        #expect(replay.lru(entries: 4) == Self.score(gets: 4, hits: 2, reads: 2))
        #expect(try replay.coffer(bytes: Self.roomy) == Self.score(gets: 4, hits: 2, reads: 2))
    }

    @Test func whatIsDeletedIsGone() throws {
        let replay = try Self.replay("0 G 1\n1 D 1\n2 G 1\n3 G 1\n300001 G 1\n300002 G 1")
        #expect(replay.agent(entries: 4) == Self.score(gets: 5, hits: 2, reads: 3, outdated: 2))
        #expect(replay.lru(entries: 4) == Self.score(gets: 5, reads: 5))
        // Absence is remembered for 5 s.
        #expect(try replay.coffer(bytes: Self.roomy) == Self.score(gets: 5, hits: 3, reads: 2))
        #expect(try replay.evictionAlone(bytes: Self.roomy) == Self.score(gets: 5, reads: 5))
    }

    @Test func outagesAreBridgedOrNot() throws {
        let replay = try Self.replay(
            "0 G 1\n1 down\n2 G 1\n3 G 2\n300001 G 1\n300002 G 1\n330001 G 1\n600002 G 1\n600003 up\n630002 G 1")
        #expect(
            replay.lru(entries: 4)
                == Self.score(gets: 8, hits: 1, reads: 7, failedReads: 5, failed: 5))
        // It tries once in each TTL, gives what it has, and goes on so until that TTL is over.
        #expect(
            replay.agent(entries: 4)
                == Self.score(gets: 8, hits: 1, reads: 4, failedReads: 3, stale: 5, failed: 1))
        // It tries every 30 s, and has a new copy soon after.
        #expect(
            try replay.coffer(bytes: Self.roomy)
                == Self.score(gets: 8, hits: 1, reads: 6, failedReads: 4, stale: 4, failed: 1))
    }

    /// Stale for an hour, then no more.
    @Test func staleCopiesHaveACap() throws {
        let replay = try Self.replay("0 G 1\n1 down\n3899999 G 1\n3900001 G 1")
        #expect(
            try replay.coffer(bytes: Self.roomy)
                == Self.score(gets: 3, reads: 3, failedReads: 2, stale: 1, failed: 1))
        #expect(replay.agent(entries: 1) == Self.score(gets: 3, reads: 2, failedReads: 1, stale: 2))
    }

    @Test func aWriteInAnOutageChangesNothing() throws {
        let replay = try Self.replay("0 G 1\n1 down\n2 S 1\n3 D 2\n4 up\n5 G 1\n6 G 2")
        #expect(replay.lru(entries: 4) == Self.score(gets: 3, hits: 1, reads: 2))
        #expect(replay.agent(entries: 4) == Self.score(gets: 3, hits: 1, reads: 2))
        #expect(try replay.coffer(bytes: Self.roomy) == Self.score(gets: 3, hits: 1, reads: 2))
    }

    @Test func thePublishedTableIsOfFourSizesAndCaches() throws {
        let table = try ReplayTable(TraceMakerTests.make())
        #expect(table.rows.count == 16)
        #expect(table.footprint == 500 + 12 * 10)
        let lines = table.markdown.split(separator: "\n")
        #expect(lines.count == 18)
        #expect(
            lines[0]
                == "| size | cache | Gets | hit ratio | vault reads | in outages | stale | failed | outdated |")
        #expect(lines.allSatisfy { $0.split(separator: "|").count == 9 })
        let gets = table.rows[0].score.gets
        #expect(lines[2].hasPrefix("| 1 % | Coffer | \(gets / 1_000),"))
        #expect(try table.json().contains("\"footprint\":\(table.footprint)"))
    }
}

/// A quarter of the trace that figures are published for; `Tests/trace.sh` holds the whole
/// of it to more, on the release build.
@Suite struct ReplayMarginTests {
    @Test func atEqualSizeCofferIsBetterThanLRUAndTheAgent() throws {
        var shape = TraceShape()
        shape.records /= 4
        shape.seconds /= 4
        shape.outages = 1
        let replay = Replay(TraceMaker(shape, random: SplitMix(seed: 1)).make())
        let bytes = 250 * CofferPolicy.entryBytes
        let coffer = try replay.coffer(bytes: bytes)
        let alone = try replay.evictionAlone(bytes: bytes)
        let lru = replay.lru(entries: 250)
        let agent = replay.agent(entries: 250)
        #expect(Set([coffer.gets, alone.gets, lru.gets, agent.gets]).count == 1)
        #expect(coffer.hitRatio >= lru.hitRatio + 0.03)
        #expect(coffer.hitRatio >= agent.hitRatio + 0.05)
        #expect(coffer.reads * 100 <= lru.reads * 90)
        #expect(coffer.reads * 100 <= agent.reads * 93)
        #expect(coffer.failed * 100 <= lru.failed * 82)
        #expect(coffer.outdated == 0)
        #expect(agent.outdated > 0)
        // S3-FIFO is worth its lines if it is at least a hundredth better than LRU.
        #expect(alone.hitRatio >= lru.hitRatio + 0.03)
    }
}
