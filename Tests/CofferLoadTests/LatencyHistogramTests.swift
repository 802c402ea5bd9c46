import Testing

@testable import CofferLoad

@Suite struct LatencyHistogramTests {
    @Test func isExactForShortDurations() {
        for value: UInt64 in 0..<256 {
            var histogram = LatencyHistogram()
            histogram.record(value)
            histogram.record(1000)
            #expect(histogram.quantile(0.5) == value)
        }
    }

    @Test func isAtMostOnePercentOff() {
        var value: UInt64 = 1
        while value < 1 << 40 {
            var histogram = LatencyHistogram()
            histogram.record(value)
            histogram.record(.max)
            let median = histogram.quantile(0.5) ?? 0
            #expect(median >= value && Double(median) <= Double(value) * 1.01, "\(value): \(median)")
            value += value / 37 + 1
        }
    }

    @Test func findsQuantilesByRank() {
        var histogram = LatencyHistogram()
        for value in (1...200).reversed() { histogram.record(UInt64(value)) }
        #expect(histogram.count == 200)
        #expect(histogram.quantile(0) == 1)
        #expect(histogram.quantile(0.5) == 100)
        #expect(histogram.quantile(0.99) == 198)
        #expect(histogram.quantile(0.999) == 200)
        #expect(histogram.quantile(1) == 200)
    }

    @Test func neverExceedsTheMaximum() {
        var histogram = LatencyHistogram()
        histogram.record(1_000_001)
        #expect(histogram.quantile(0.5) == 1_000_001)
        #expect(histogram.maximum == 1_000_001)
    }

    @Test func hasNoQuantileOfNothing() {
        #expect(LatencyHistogram().quantile(0.5) == nil)
    }
}
