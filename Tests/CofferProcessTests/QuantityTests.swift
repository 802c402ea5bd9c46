import Testing

@testable import CofferProcess

@Suite struct QuantityTests {
    @Test(arguments: [
        ("250ms", Duration.milliseconds(250)), ("5s", .seconds(5)), ("1h", .seconds(3_600)), ("2d", .seconds(172_800)),
        ("1h30m", .seconds(5_400)), ("1.5h", .seconds(5_400)), ("0.25s", .milliseconds(250)), ("0", .zero),
        ("10", .seconds(10)), ("2.5", .milliseconds(2_500)), ("7us", .microseconds(7)), ("7µs", .microseconds(7)),
    ])
    func readsDurations(text: String, expected: Duration) {
        #expect(Quantity.duration(text, bare: .seconds) == expected)
    }

    @Test func bareNumberHasTheUnitOfItsSetting() {
        #expect(Quantity.duration("1500", bare: .milliseconds) == .milliseconds(1_500))
        #expect(Quantity.duration("1500", bare: .seconds) == .seconds(1_500))
    }

    @Test(arguments: [
        "", " ", "s", "soon", "1 h", "-1s", "+1s", "1h30", "1.2.3s", ".s", "1.s", "5S", "1hh", "0x10", "1e3", "٣s",
        "99999999999999999999s", "9223372036854775807h", "0.0000000000001s",
    ])
    func refusesWhatIsNoDuration(text: String) {
        #expect(Quantity.duration(text, bare: .seconds) == nil)
    }

    @Test(arguments: [
        ("64KiB", 65_536), ("1MiB", 1 << 20), ("1.5KiB", 1_536), ("12B", 12), ("12", 12), ("1GiB", 1 << 30), ("0", 0),
    ])
    func readsSizes(text: String, expected: Int) {
        #expect(Quantity.bytes(text) == expected)
    }

    @Test(arguments: ["", "KiB", "64kb", "64K", "-1", "0.1KiB", "1.5", "8589934592GiB", "1KiB extra"])
    func refusesWhatIsNoSize(text: String) {
        #expect(Quantity.bytes(text) == nil)
    }

    @Test(arguments: [
        (Duration.microseconds(412), "0.4ms"), (.milliseconds(2), "2ms"), (.milliseconds(12), "12ms"),
        (.milliseconds(3_210), "3.2s"), (.seconds(60), "1m"), (.seconds(7_500), "2h5m"), (.seconds(90_061), "1d1h"),
        (.seconds(86_401), "1d"), (.zero, "0ms"),
    ])
    func writesDurations(duration: Duration, expected: String) {
        #expect(Quantity.text(duration) == expected)
    }

    @Test(arguments: [
        (Int64(0), Quantity.Unit.seconds, "0s"), (90, .seconds, "90s"), (3_600, .seconds, "1h"), (604_800, .seconds, "7d"),
        (5_000, .milliseconds, "5s"), (1_500, .milliseconds, "1500ms"), (1_000, .microseconds, "1ms"), (30, .days, "30d"),
        (0, .bytes, "0B"), (65_536, .bytes, "64KiB"), (1_114_112, .bytes, "1088KiB"), (81_919, .bytes, "81919B"),
    ])
    func writesExactly(count: Int64, unit: Quantity.Unit, expected: String) {
        #expect(Quantity.exact(count, unit) == expected)
    }

    @Test(arguments: [
        ("1500ms", Quantity.Unit.seconds), ("0.5", .seconds), ("12h", .days), ("1us", .milliseconds), ("0.5B", .bytes),
        ("1KiB", .seconds), ("1s", .bytes), ("-1", .bytes), ("", .days),
    ])
    func refusesWhatIsNoWholeNumberOfTheUnit(text: String, unit: Quantity.Unit) {
        #expect(Quantity.count(text, of: unit) == nil)
    }

    /// What is written exactly reads back as the same count.
    @Test func exactTextsReadBack() {
        var random = SystemRandomNumberGenerator()
        var differing: [String] = []
        for unit in Quantity.Unit.allCases {
            for _ in 0..<2_000 {
                // Fewer and fewer digits; 2^46 µs are two years, 2^46 bytes are 64 TiB.
                let count = Int64.random(in: 0...(1 << (unit == .days ? 16 : 46)), using: &random) >> Int64.random(in: 0...46, using: &random)
                let scaled = unit == .seconds || unit == .milliseconds ? count >> 14 : count
                let text = Quantity.exact(scaled, unit)
                if Quantity.count(text, of: unit) != scaled { differing.append("\(scaled) \(unit) as \(text)") }
            }
        }
        #expect(differing == [])
    }

    /// Against a reader of another kind, over texts that are nearly quantities.
    @Test func readsAsTheGrammarSays() {
        let pieces = ["", "0", "1", "7", "30", "1.5", ".5", "1.", "-1", "+2", "1e3", "9223372036854775807", "99999999999999999999",
            "0.000000001", "0.0000000001", "ns", "us", "µs", "ms", "s", "m", "h", "d", "B", "KiB", "MiB", "GiB", "KB", "k", " ", "\0", "٣", "5\u{301}"]
        var random = SystemRandomNumberGenerator()
        var differing: [String] = []
        for _ in 0..<4_000 {
            let text = (0..<Int.random(in: 0...4, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
            for unit in Quantity.Unit.allCases {
                if Quantity.count(text, of: unit) != Grammar.count(text, unit) { differing.append("\(text.debugDescription) in \(unit)") }
            }
        }
        #expect(differing == [])
    }
}

/// Parts of digits, perhaps with a fraction of at most nine, each with a unit; or one without.
private enum Grammar {
    static func count(_ text: String, _ unit: Quantity.Unit) -> Int64? {
        let sizes: [String: UInt128] = unit == .bytes
            ? ["B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30]
            : ["us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000, "d": 86_400_000_000_000]
        let whole = text.wholeMatch(of: /[0-9]+(\.[0-9]{1,9})?/) == nil ? text : text + unit.rawValue
        guard whole.wholeMatch(of: /([0-9]+(\.[0-9]{1,9})?[A-Za-zµ]+)+/) != nil else { return nil }
        var total: UInt128 = 0
        for part in whole.matches(of: /([0-9]+)(?:\.([0-9]+))?([A-Za-zµ]+)/) {
            guard let size = sizes[String(part.3)], let number = UInt128(part.1), number <= Int64.max else { return nil }
            let digits = part.2 ?? "0"
            let scale = (0..<digits.count).reduce(UInt128(1)) { scale, _ in scale * 10 }
            guard let fraction = UInt128(digits), (fraction * size) % scale == 0 else { return nil }
            total += number * size + fraction * size / scale
        }
        guard let size = sizes[unit.rawValue], total <= UInt128(Int64.max), total % size == 0 else { return nil }
        return Int64(total / size)
    }
}
