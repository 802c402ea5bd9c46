import Testing

@testable import CofferHTTP

@Suite struct HTTPFieldsTests {
    private func fields(_ lines: String...) -> HTTPFields {
        var fields = HTTPFields()
        for var line in lines { line.withUTF8 { fields.append(UnsafeRawBufferPointer($0)) } }
        return fields
    }

    @Test(arguments: [
        ("Retry-After: 7\r\n", "7"), ("retry-after:7", "7"), ("RETRY-AFTER:\t 7 \r\n", "7"), ("Retry-After:\r\n", ""),
        ("Retry-After:   \r\n", ""), ("Retry-After: a: b\r\n", "a: b"), ("Retry-After: ü€\n", "ü€"),
    ])
    func findsAValue(_ line: String, _ value: String) {
        #expect(fields("X: 1\r\n", line, "Y: 2\r\n")["retry-after"] == value)
    }

    @Test(arguments: ["Retry-Afte: 7", "Retry-After : 7", "X-Retry-After: 7", ": 7", "retry-after", "", "\r\n"])
    func findsNoOtherName(_ line: String) {
        #expect(fields(line)["retry-after"] == nil)
    }

    @Test func theLastOneCounts() {
        let fields = fields("A: 1\r\n", "a: 2\r\n", "B: 3\r\n")
        #expect(fields["a"] == "2")
        #expect(fields["b"] == "3")
    }

    @Test func repairsWhatIsNotUTF8() {
        var fields = HTTPFields()
        ([0x61, 0x3a, 0xff] as [UInt8]).withUnsafeBytes { fields.append($0) }
        #expect(fields["a"] == "\u{fffd}")
    }
}
