@testable import CofferEmbedded
import Testing

@Suite struct GroupPacingTests {
    @Test func aLoneCallerIsNeverWaitedFor() {
        var pacing = GroupPacing(limit: 64)
        for _ in 0..<100 { pacing.committed(answered: 1, waiting: 0, duration: 200_000) }
        #expect(pacing.expected == 1)
    }

    @Test func callersInTwoHalvesBecomeOneGroup() {
        var pacing = GroupPacing(limit: 64)
        pacing.committed(answered: 8, waiting: 8, duration: 200_000)
        #expect(pacing.expected == 16)
        #expect(pacing.patience == 50_000)
    }

    @Test func stopsWaitingForWhoDoesNotComeBack() {
        var pacing = GroupPacing(limit: 64)
        var waited = 0
        for _ in 0..<1000 {
            pacing.committed(answered: 10, waiting: 0, duration: 200_000)
            guard pacing.expected > 1 else { continue }
            waited += 1
            pacing.gathered(2)
        }
        // Rests of 1, 2, 4, … 64 groups make 7 waits in the first 134; then one in 65.
        #expect(waited == 7 + 14)
    }

    @Test func waitsAgainOnceTheyComeBack() {
        var pacing = GroupPacing(limit: 64)
        for _ in 0..<40 {
            pacing.committed(answered: 10, waiting: 0, duration: 200_000)
            if pacing.expected > 1 { pacing.gathered(1) }
        }
        var waited = 0
        for _ in 0..<200 {
            pacing.committed(answered: 10, waiting: 0, duration: 200_000)
            guard pacing.expected > 1 else { continue }
            waited += 1
            pacing.gathered(10)
        }
        #expect(waited >= 136)
    }

    @Test func isBounded() {
        var pacing = GroupPacing(limit: 64)
        pacing.committed(answered: 64, waiting: 500, duration: 60_000_000_000)
        #expect(pacing.expected == 64)
        #expect(pacing.patience == 5_000_000)
    }
}
