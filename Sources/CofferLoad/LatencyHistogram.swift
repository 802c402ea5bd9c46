/// Counts of durations in memory of fixed size: exact below 256 ns, then 128
/// buckets for each power of two, so that a quantile is at most 0.8 % off.
///
/// Durations of 2^40 ns (18 minutes) and more count as that.
struct LatencyHistogram {
    private static let subBucketBits = 7
    private static let subBuckets = 1 << subBucketBits
    private static let largest: UInt64 = 1 << 40 - 1

    private var counts = [UInt64](repeating: 0, count: bucket(of: largest) + 1)
    private(set) var count: UInt64 = 0
    /// Exact.
    private(set) var maximum: UInt64 = 0

    init() {}

    /// Adds one duration in nanoseconds.
    @inline(__always)
    mutating func record(_ nanoseconds: UInt64) {
        counts[Self.bucket(of: min(nanoseconds, Self.largest))] += 1
        count += 1
        maximum = max(maximum, nanoseconds)
    }

    /// The duration in nanoseconds that this share of all does not exceed, 0 to
    /// 1; nil if there is none.
    func quantile(_ share: Double) -> UInt64? {
        guard count > 0 else { return nil }
        let rank = max(1, min(count, UInt64((Double(count) * share).rounded(.up))))
        var seen: UInt64 = 0
        for (bucket, count) in counts.enumerated() {
            seen += count
            if seen >= rank { return min(Self.upperBound(of: bucket), maximum) }
        }
        return maximum
    }

    /// Durations below `subBuckets` are their own bucket. Above, the seven bits
    /// after the leading one choose among the buckets of its power of two.
    @inline(__always)
    private static func bucket(of value: UInt64) -> Int {
        let power = 63 - (value | UInt64(subBuckets - 1)).leadingZeroBitCount
        let shift = max(0, power - subBucketBits)
        return shift << subBucketBits + Int(value >> UInt64(shift))
    }

    /// The largest duration that falls into this bucket.
    private static func upperBound(of bucket: Int) -> UInt64 {
        guard bucket >= 2 * subBuckets else { return UInt64(bucket) }
        let shift = bucket >> subBucketBits - 1
        let leading = UInt64(bucket - shift << subBucketBits)
        return (leading + 1) << UInt64(shift) - 1
    }
}
