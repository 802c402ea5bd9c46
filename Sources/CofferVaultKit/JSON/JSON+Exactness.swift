extension JSON {
    /// Whether every number in it is one that a double gives back: a vault that keeps
    /// numbers as doubles, as the KV engine and JavaScript do, returns the same value.
    package var hasExactNumbers: Bool {
        switch self {
        case .null, .bool, .string, .unreadable: true
        case .number(let text): Self.isExact(text)
        case .array(let elements): elements.allSatisfy(\.hasExactNumbers)
        case .object(let members): members.allSatisfy(\.value.hasExactNumbers)
        }
    }

    /// - Parameter text: a number of JSON.
    private static func isExact(_ text: String) -> Bool {
        guard let double = Double(text), double.isFinite, let number = Decimal(text) else { return false }
        return Decimal(double.description) == number
    }

    /// A decimal number by its value: 1e2, 100 and 100.0 are one.
    private struct Decimal: Equatable {
        let isNegative: Bool
        /// Without zeros at either end; empty = 0.
        let digits: [UInt8]
        /// Of the last digit.
        let exponent: Int

        /// nil if the exponent is beyond all measure.
        init?(_ text: String) {
            let parts = text.lowercased().split(separator: "e", maxSplits: 1)
            guard let significand = parts.first, let power = parts.count == 2 ? Int(parts[1]) : 0,
                (-1_000_000...1_000_000).contains(power)
            else { return nil }
            isNegative = significand.hasPrefix("-")
            let halves = significand.drop { $0 == "-" }.split(separator: ".", omittingEmptySubsequences: false)
            let all = halves.flatMap { Array($0.utf8) }
            let zero = UInt8(ascii: "0")
            let kept = all.drop { $0 == zero }
            let last = kept.lastIndex { $0 != zero }
            digits = last.map { Array(kept[...$0]) } ?? []
            let fraction = halves.count == 2 ? halves[1].utf8.count : 0
            exponent = last.map { power - fraction + all.count - 1 - $0 } ?? 0
        }
    }
}
