internal import Glibc

/// Chooses ranks by Zipf's law, 0 most often. In whole numbers, so that every
/// machine chooses the same.
struct ZipfRanks {
    /// The sum of the weights up to each rank.
    private let sums: [UInt64]

    /// - Parameter count: at least 1.
    init(count: UInt32, exponent: Double) {
        var sum: UInt64 = 0
        sums = (1...max(count, 1)).map { rank in
            sum += max(1, UInt64((pow(Double(rank), -exponent) * 0x1p32).rounded()))
            return sum
        }
    }

    func choose(using random: inout some RandomNumberGenerator) -> Int {
        let wanted = random.below(sums[sums.count - 1])
        var (low, high) = (0, sums.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if sums[middle] > wanted { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

extension RandomNumberGenerator {
    /// 0 to `bound` - 1, or 0. By one number always, unlike the standard library's.
    mutating func below(_ bound: UInt64) -> UInt64 { next().multipliedFullWidth(by: bound).high }
}
