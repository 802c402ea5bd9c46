import CofferProcess

/// The rule of a setting that is a duration or a size, both with units: how it is read, what is
/// expected of it, and how it is shown.
struct QuantityRule: Sendable {
    private let range: ClosedRange<Int64>
    private let unit: Quantity.Unit

    /// - Parameters:
    ///   - range: in the unit.
    ///   - unit: of the setting's name, and of a bare number.
    init(_ range: ClosedRange<Int64>, _ unit: Quantity.Unit) {
        self.range = range
        self.unit = unit
    }

    /// "a duration from 1s to 10m in whole seconds"
    var expects: String {
        let bounds = "from \(show(range.lowerBound)) to \(show(range.upperBound))"
        return unit == .bytes ? "a size \(bounds)" : "a duration \(bounds) in whole \(unit)"
    }

    /// Behind `expects`, for who wrote `64MB` or `5 s`.
    var form: String { "; written without a space, in \(unit == .bytes ? "B, KiB, MiB or GiB" : "us, ms, s, m, h or d")" }

    /// A count of the unit; nil if the text is none, or is out of range.
    func read(_ text: String) -> Int64? { Quantity.count(text, of: unit).flatMap { range.contains($0) ? $0 : nil } }

    /// What `read` reads as the same count.
    func show(_ count: Int64) -> String { Quantity.exact(count, unit) }
}

extension FixedWidthInteger {
    /// A number without a sign; nil if the text has anything but digits, or is too large.
    package init?(digits text: String) {
        guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
        self.init(text)
    }
}
