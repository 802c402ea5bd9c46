import Testing

@testable import CofferVaultKit

@Suite struct NameEscapeTests {
    private let escape = NameEscape(plain: "-_.=")

    @Test func leavesLettersAndDigitsAlone() {
        #expect(escape.escape("user123ABC") == "user123ABC")
    }

    @Test(arguments: [("a b", "a=20b"), ("a=b", "a=3Db"), ("ü", "=C3=BC"), ("a/b", "a=2Fb"), ("a-b_c.d", "a-b_c.d")])
    func escapesTheRest(_ id: String, _ name: String) {
        #expect(escape.escape(id) == name)
        #expect(escape.unescape(name) == id)
    }

    @Test func escapesPlainBytesOnRequest() {
        #expect(escape.escape("a-b", always: [1]) == "a=2Db")
        #expect(escape.unescape("a=2Db") == "a-b")
    }

    @Test(arguments: ["=", "=1", "=g0", "=2f", "a b", "a/b", "=FF", "ü"])
    func refusesWhatItNeverMakes(_ name: String) {
        #expect(escape.unescape(name) == nil)
    }

    /// Two different pairs never share a name, whatever is in them.
    @Test func isInjective() {
        let alphabet = Array("ab=:/-.%2FDü ")
        var random = SystemRandomNumberGenerator()
        func id() -> String {
            String((0..<Int.random(in: 1...4, using: &random)).map { _ in alphabet.randomElement(using: &random)! })
        }
        var names: [String: [String]] = [:]
        for _ in 0..<20_000 {
            let pair = [id(), id()]
            let name = pair.map { escape.escape($0) }.joined(separator: "/")
            #expect(names[name, default: pair] == pair)
            names[name] = pair
            #expect(name.split(separator: "/").map { escape.unescape($0) } == pair)
        }
    }
}
