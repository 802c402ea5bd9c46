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
}
