/// Durations and sizes as people write them: `250ms`, `5s`, `1h30m`; `64KiB`.
package enum Quantity {
    /// Units of time, the largest first, in nanoseconds.
    private static let times: [(name: String, size: Int64)] = [
        ("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000),
        ("ms", 1_000_000), ("us", 1_000), ("µs", 1_000),
    ]

    private static let sizes: [(name: String, size: Int64)] = [
        ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1),
    ]

    /// What a bare number counts: the unit in the name of its setting.
    package enum Unit: String, CaseIterable, Sendable {
        case bytes = "B"
        case microseconds = "us"
        case milliseconds = "ms"
        case seconds = "s"
        case days = "d"

        fileprivate var all: [(name: String, size: Int64)] { self == .bytes ? sizes : times }
        fileprivate var size: Int64 { all.first { $0.name == rawValue }?.size ?? 1 }
    }

    /// A duration of one or several parts, each a number with a unit: `1.5h`, `1h30m`.
    ///
    /// - Returns: nil if it is none, is negative or is more than 292 years.
    package static func duration(_ text: String, bare: Unit) -> Duration? {
        total(text, times, bare: bare.rawValue).map { .nanoseconds($0) }
    }

    /// A duration or size as a count of its unit; a bare number is that count.
    ///
    /// - Returns: nil if it is none, is negative or too large, or no whole number of the unit.
    package static func count(_ text: String, of unit: Unit) -> Int64? {
        guard let total = total(text, unit.all, bare: unit.rawValue), total % unit.size == 0 else { return nil }
        return total / unit.size
    }

    /// What `count` reads back as the same, with the largest unit that leaves no fraction: `90s`, `64KiB`.
    ///
    /// - Parameter count: at least 0, and with its unit at most 292 years or 8 EiB.
    package static func exact(_ count: Int64, _ unit: Unit) -> String {
        let total = count * unit.size
        guard total > 0, let best = unit.all.first(where: { total % $0.size == 0 }) else { return "\(count)\(unit.rawValue)" }
        return "\(total / best.size)\(best.name)"
    }

    /// A size in bytes; a bare number counts bytes.
    ///
    /// - Returns: nil if it is none, or no whole number of bytes.
    package static func bytes(_ text: String) -> Int? { count(text, of: .bytes).map { Int($0) } }

    /// For people: `0.4ms`, `12ms`, `3.2s`, `2h5m`.
    package static func text(_ duration: Duration) -> String {
        let microseconds = Int64(duration / .microseconds(1))
        switch microseconds {
        case ..<10_000: return "\(tenths(microseconds, of: 1_000))ms"
        case ..<1_000_000: return "\(microseconds / 1_000)ms"
        case ..<60_000_000: return "\(tenths(microseconds, of: 1_000_000))s"
        default: return coarse(microseconds / 1_000_000)
        }
    }

    /// The two largest units of so many seconds, at least a minute.
    private static func coarse(_ seconds: Int64) -> String {
        let units: [(String, Int64)] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)]
        let first = units.firstIndex { seconds >= $0.1 } ?? units.count - 1
        let rest = seconds % units[first].1
        let head = "\(seconds / units[first].1)\(units[first].0)"
        guard first + 1 < units.count, rest >= units[first + 1].1 else { return head }
        return head + "\(rest / units[first + 1].1)\(units[first + 1].0)"
    }

    private static func tenths(_ count: Int64, of unit: Int64) -> String {
        let tenth = count % unit * 10 / unit
        return tenth == 0 ? "\(count / unit)" : "\(count / unit).\(tenth)"
    }

    // MARK: Reading

    /// The sum of the parts in the smallest unit.
    private static func total(_ text: String, _ units: [(name: String, size: Int64)], bare: String) -> Int64? {
        var sum: Int64 = 0
        var rest = Substring(text)
        var isFirst = true
        repeat {
            let digits = rest.prefix { ("0"..."9").contains($0) || $0 == "." }
            rest = rest.dropFirst(digits.count)
            var name = rest.prefix { !("0"..."9").contains($0) && $0 != "." }
            rest = rest.dropFirst(name.count)
            if name.isEmpty && isFirst && rest.isEmpty { name = bare[...] }
            guard let unit = units.first(where: { $0.name == name }), let part = product(digits, unit.size) else {
                return nil
            }
            let (next, overflow) = sum.addingReportingOverflow(part)
            guard !overflow else { return nil }
            sum = next
            isFirst = false
        } while !rest.isEmpty
        return sum
    }

    /// A decimal number of units; nil if it is none, too large, or has a fraction of the smallest.
    private static func product(_ digits: Substring, _ unit: Int64) -> Int64? {
        let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
        guard let whole = parts.first.flatMap({ Int64($0) }), parts.count <= 2 else { return nil }
        let (base, overflow) = whole.multipliedReportingOverflow(by: unit)
        guard !overflow else { return nil }
        guard parts.count == 2 else { return base }
        guard (1...9).contains(parts[1].count), let fraction = Int64(parts[1]) else { return nil }
        let scale = (0..<parts[1].count).reduce(Int64(1)) { power, _ in power * 10 }
        let (quotient, remainder) = scale.dividingFullWidth(unit.multipliedFullWidth(by: fraction))
        guard remainder == 0 else { return nil }
        let (sum, tooLarge) = base.addingReportingOverflow(quotient)
        return tooLarge ? nil : sum
    }
}
