import Testing

@testable import CofferProcess

@Suite struct JSONMemberTests {
    private func found(_ name: String, _ text: String) throws -> String {
        var bytes = Array(text.utf8)
        return try bytes.withUnsafeMutableBytes { memory in
            try JSONMember.find(name, in: UnsafeRawBufferPointer(memory)) { String(decoding: $0, as: UTF8.self) }
        }
    }

    @Test(arguments: [
        (#"{"a":"x"}"#, "x"), (#" { "b" : [1,{"a":"no"}] , "a" : "" } "#, ""), (#"{"a":9007199254740993}"#, "9007199254740993"),
        (#"{"a":-0.10e+5}"#, "-0.10e+5"), (#"{"a":true}"#, "true"), (#"{"a":{"b": [ ]}}"#, #"{"b": [ ]}"#),
        (#"{"a":"\"\\\/\b\f\n\r\t\u00fc\ud83d\udd11\u0000."}"#, "\"\\/\u{8}\u{c}\n\r\tü🔑\0."), (#"{"\u0061":"by an escaped name"}"#, "by an escaped name"),
        (#"{"A":1,"a ":2,"a":3}"#, "3"), (#"{"a":"ü漢🔑"}"#, "ü漢🔑"),
    ])
    func findsTheMember(text: String, value: String) throws {
        #expect(try found("a", text) == value)
    }

    @Test(arguments: [
        ("{}", .absent), (#"{"b":{"a":1}}"#, .absent), (#"{"a":1,"\u0061":2}"#, .repeated), (#"{"a":null}"#, .null), ("", .notAnObject),
        ("secret", .notAnObject), (#""a""#, .notAnObject), ("[1]", .notAnObject), (#"{"a":1}{}"#, .notAnObject), (#"{"a":1,}"#, .notAnObject),
        (#"{"a":01}"#, .notAnObject), (#"{"a":1.}"#, .notAnObject), (#"{"a":.5}"#, .notAnObject), (#"{"a":1e}"#, .notAnObject), (#"{"a":+1}"#, .notAnObject),
        (#"{"a":"\x"}"#, .notAnObject), (#"{"a":"\u12"}"#, .notAnObject), (#"{"a":"\ud800"}"#, .notAnObject), (#"{"a":"\ud800\u0041"}"#, .notAnObject),
        (#"{"a":"\udc00"}"#, .notAnObject), ("{\"a\":\"\n\"}", .notAnObject), (#"{"a":tru}"#, .notAnObject), (#"{"a" 1}"#, .notAnObject),
        (#"{"a":1"#, .notAnObject), (#"{a:1}"#, .notAnObject), (#"{"a":[1 2]}"#, .notAnObject),
    ] as [(String, JSONMember.Failure)])
    func saysWhyThereIsNone(text: String, failure: JSONMember.Failure) {
        #expect(throws: failure) { try found("a", text) }
    }

    @Test func nestingIsBounded() throws {
        func nested(_ levels: Int) -> String {
            #"{"a":"# + String(repeating: "[", count: levels) + String(repeating: "]", count: levels) + "}"
        }
        #expect(try found("a", nested(63)).count == 126)
        #expect(throws: JSONMember.Failure.notAnObject) { try found("a", nested(64)) }
        #expect(throws: JSONMember.Failure.notAnObject) { try found("a", nested(100_000)) }
    }

    @Test func bytesThatAreNotUTF8AreNoObject() {
        let text = Array(#"{"a":"x"#.utf8) + [0xFF] + Array(#""}"#.utf8)
        #expect(throws: JSONMember.Failure.notAnObject) {
            try text.withUnsafeBytes { try JSONMember.find("a", in: $0) { _ in } }
        }
    }

    /// Whatever is changed in a text, it is read to its end and never beyond.
    @Test func changedTextsAreReadOrRefused() throws {
        var random = SystemRandomNumberGenerator()
        let original = Array(#"{"a":"\u00fc\ud83d\udd11","b":[1,-2.5e3,true,null],"c":{"d":"e"}}"#.utf8)
        var (taken, refused) = (0, 0)
        for _ in 0..<20_000 {
            var text = original
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                text[Int.random(in: 0..<text.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            if Bool.random(using: &random) { text.removeLast(Int.random(in: 0..<text.count, using: &random)) }
            do {
                try text.withUnsafeBytes { try JSONMember.find("a", in: $0) { _ in } }
                taken += 1
            } catch {
                #expect(error is JSONMember.Failure)
                refused += 1
            }
        }
        #expect(taken > 100 && refused > 1_000, "\(taken) taken, \(refused) refused")
    }
}
