import Testing

@testable import coffer_interop_swift

@Suite("The case file, as the Swift runner reads it")
struct InteropCaseTests {
    private func fields(_ tokens: String...) throws -> Fields { try Fields(tokens, line: 1) }

    @Test func aLine() throws {
        let parsed = try #require(
            try InteropCase("store user=a%3Ab conn= value=%00x label.k%20=%C3%A9 => OK save=v", line: 7))
        #expect(parsed.line == 7 && parsed.method == "store" && parsed.status == "OK")
        #expect(parsed.arguments.text("user") == "a:b")
        #expect(parsed.arguments.text("conn") == "")
        #expect(parsed.arguments.value == [0, 0x78])
        #expect(parsed.arguments.labels == ["k ": "é"])
        #expect(parsed.expectations.raw == ["save": "v"])
    }

    @Test func commentsAndBlankLinesAreSkippedAndCounted() throws {
        let cases = try InteropCase.parse("# first\n\nhealth => OK\n")
        #expect(cases.map(\.line) == [3])
    }

    @Test(arguments: ["health", "health =>", "=> OK", "get user => OK", "get user=a user=b => OK", "health  => OK"])
    func brokenLines(text: String) {
        let error = #expect(throws: InteropCase.SyntaxError.self) { try InteropCase(text, line: 2) }
        #expect(error?.line == 2)
    }

    @Test func filledValues() throws {
        #expect(try fields("fill=10").value == [7, 38, 69, 100, 131, 162, 193, 224, 255, 30])
        #expect(try fields("fill=0").value == [])
    }

    @Test(arguments: ["%", "%4", "%zz", "a%"])
    func brokenEncodings(text: String) { #expect(percentDecoded(text) == nil) }

    @Test func encodings() {
        let text = "aZ09._~-%:,é"
        #expect(percentEncoded(text) == "aZ09._~-%25%3A%2C%C3%A9")
        #expect(percentDecoded(percentEncoded(text)) == Array(text.utf8))
    }

    @Test("Every case of the shared file parses")
    func sharedFile() throws {
        let cases = try InteropCase.parse(try sharedCases())
        #expect(cases.count > 100)
        #expect(Set(cases.map(\.method)).isSubset(of: [
            "store", "get", "delete", "getmany", "list", "health", "ping", "stats", "invalidate", "sleep",
        ]))
    }
}
