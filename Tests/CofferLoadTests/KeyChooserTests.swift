import Foundation
import Testing

@testable import CofferLoad

@Suite struct KeyChooserTests {
    private static func counts(
        keys: UInt32, _ distribution: KeyDistribution, draws: Int
    ) -> [Int] {
        var chooser = KeyChooser(keys: keys, distribution: distribution, seed: 7)
        var counts = [Int](repeating: 0, count: Int(keys))
        for _ in 0..<draws { counts[Int(chooser.next())] += 1 }
        return counts
    }

    @Test func uniformChoosesAllAlike() {
        let counts = Self.counts(keys: 10, .uniform, draws: 100_000)
        // Five standard deviations of a binomial with 100,000 draws at 0.1.
        for count in counts { #expect(abs(count - 10_000) < 475) }
    }

    @Test func zipfFollowsItsLaw() {
        let keys = 50
        let draws = 200_000
        let counts = Self.counts(keys: UInt32(keys), .zipf, draws: draws)
        let total = (1...keys).reduce(0) { $0 + pow(Double($1), -0.99) }
        for (rank, count) in counts.enumerated() {
            let share = pow(Double(rank + 1), -0.99) / total
            let deviation = (Double(draws) * share * (1 - share)).squareRoot()
            #expect(abs(Double(count) - Double(draws) * share) < 5 * deviation, "rank \(rank)")
        }
    }

    @Test(arguments: KeyDistribution.allCases)
    func oneKeyIsAlwaysChosen(distribution: KeyDistribution) {
        #expect(Self.counts(keys: 1, distribution, draws: 1000) == [1000])
    }

    @Test func theSeedDecides() {
        func first(seed: UInt64) -> [UInt32] {
            var chooser = KeyChooser(keys: 1 << 20, distribution: .uniform, seed: seed)
            return (0..<4).map { _ in chooser.next() }
        }
        #expect(first(seed: 1) == first(seed: 1))
        #expect(first(seed: 1) != first(seed: 2))
    }
}
