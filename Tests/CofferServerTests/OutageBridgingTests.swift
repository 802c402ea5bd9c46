import Testing

/// What callers get, and what the vault meets, when it is away for an hour: the cache
/// and the breaker together, in virtual time.
@Suite struct OutageBridgingTests {
    /// Lengths in seconds, so that it comes back at any moment between two looks at it.
    private static let cases: [(BridgedOutage.Kind, Double)] = BridgedOutage.Kind.allCases.flatMap { kind in
        [3_600.0, 3_607, 3_614, 3_621].map { (kind, $0) }
    }

    @Test(arguments: cases)
    func anHourIsBridged(kind: BridgedOutage.Kind, length: Double) throws {
        var outage = try BridgedOutage(kind, length: length, staleSeconds: 7_200, seed: UInt64(length))
        outage.run(until: outage.end + 120)
        checkAnswers(outage)
        checkProbes(outage)
        let late = outage.answers.filter { $0.asked >= outage.end + 58 }
        #expect(late.count >= BridgedOutage.keys * 30)
        #expect(late.count { $0.hit?.isStale != false } == 0, "not all is fresh a minute after the return")
    }

    /// Every key is served throughout, and flagged.
    private func checkAnswers(_ outage: BridgedOutage) {
        let answers = outage.answers.filter { $0.asked >= outage.start && $0.asked < outage.end }
        #expect(answers.count >= BridgedOutage.keys * 1_799)
        #expect(answers.count { $0.hit == nil } == 0)
        #expect(answers.count { $0.hit.map { $0.isStale != ($0.ageMilliseconds >= 300_000) } == true } == 0)
        #expect(answers.count { $0.asked >= outage.start + 300 && $0.hit?.isStale != true } == 0)
        // Whoever waits for a vault that hangs gets what is stale after 1.5 s.
        #expect(answers.count { $0.answered - $0.asked > 1.7 } == 0)
    }

    /// Soon after it opened, then less and less often; in all not more than once in 30 s.
    private func checkProbes(_ outage: BridgedOutage) {
        #expect(outage.opened > outage.start && outage.opened < outage.start + 320)
        let asked = [outage.opened] + outage.asked.filter { $0 > outage.opened && $0 < outage.end }
        #expect((80...121).contains(asked.count), "\(asked.count) times")
        let pauses = zip(asked, asked.dropFirst()).map { $1 - $0 }
        for (index, pause) in pauses.enumerated() {
            let least = min(29.9, 0.08 * Double(1 << min(index, 20)) - 0.05)
            #expect(pause >= least, "after \(pause) s the \(index + 1)th time")
        }
    }

    /// 30 minutes past its TTL each value ends, and not before.
    @Test(arguments: BridgedOutage.Kind.allCases)
    func theCapEndsIt(kind: BridgedOutage.Kind) throws {
        var outage = try BridgedOutage(kind, length: 3_600, staleSeconds: 1_800, seed: 1)
        outage.run(until: outage.end)
        var lastFetch = [Double](repeating: 0, count: BridgedOutage.keys)
        for answer in outage.answers where answer.asked < outage.end {
            if let hit = answer.hit {
                #expect(hit.ageMilliseconds < 2_100_000)
                lastFetch[answer.key] = answer.answered - Double(hit.ageMilliseconds) / 1_000
            } else {
                #expect(answer.answered - lastFetch[answer.key] >= 2_099.9)
            }
        }
        let late = outage.answers.filter { $0.asked >= outage.start + 2_200 && $0.asked < outage.end - 20 }
        #expect(late.count > 10_000)
        #expect(late.count { $0.hit != nil } == 0)
    }
}
