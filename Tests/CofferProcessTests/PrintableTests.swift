import Testing

@testable import CofferProcess

@Suite struct PrintableTests {
    @Test(arguments: [
        ("plain, ü, 漢, 🔑", "plain, ü, 漢, 🔑"), ("\u{1b}[2J", "\\u{1b}[2J"), ("a\nb\tc\r", "a\\u{a}b\\u{9}c\\u{d}"),
        ("\u{7f}\u{9b}31m", "\\u{7f}\\u{9b}31m"), ("a\u{202e}b\u{2066}", "a\\u{202e}b\\u{2066}"),
        ("a\u{2028}b\u{feff}\u{200d}", "a\\u{2028}b\\u{feff}\\u{200d}"), ("\u{e0041}", "\\u{e0041}"), ("a\\b", "a\\b"),
    ])
    func escapesWhatATerminalWouldAct(text: String, expected: String) {
        #expect(Printable.line(text) == expected)
    }

    @Test func fieldsStayDifferent() {
        #expect(Printable.field("\u{1b}") == "\\u{1b}")
        #expect(Printable.field("\\u{1b}") == "\\\\u{1b}")
    }

    @Test func jsonStaysJSON() {
        #expect(Printable.json("{\n  \"a\" : \"\u{7f}\u{202e}\u{e0041}ü\"\n}\n") == "{\n  \"a\" : \"\\u007f\\u202e\\udb40\\udc41ü\"\n}\n")
    }

    @Test func linesKeepLineFeedsAndTabs() {
        var isWhole = false
        let bytes = Array("a\tb\nü🔑".utf8)
        #expect(bytes.withUnsafeBytes { Printable.lines($0, isWhole: &isWhole) } == "a\tb\nü🔑")
        #expect(isWhole)
    }

    @Test func linesShowOtherBytesAsNumbers() {
        var isWhole = true
        let bytes: [UInt8] = [0x61, 0xe9, 0x1b, 0x62, 0xf0, 0x9f]
        #expect(bytes.withUnsafeBytes { Printable.lines($0, isWhole: &isWhole) } == "a\\x{e9}\\u{1b}b\\x{f0}\\x{9f}")
        #expect(!isWhole)
    }
}
