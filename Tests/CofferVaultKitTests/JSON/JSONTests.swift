import CofferCore
import Testing

@testable import CofferVaultKit

@Suite struct JSONTests {
    private func parse(_ text: String) throws(JSON.Malformed) -> JSON {
        try JSON.parse(SecretWriter.build(count: text.utf8.count) { $0.append(text) })
    }

    private func encoded(_ json: JSON) -> String {
        json.encode().withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    @Test(arguments: [
        "null", "true", "false", "0", "-0", "12", "-1.5", "1e9", "0.1E-3", "\"\"", "\"ü€😀\"", "[]", "{}", "[1,[2,{}]]",
        "{\"a\":1,\"b\":{\"c\":\"d\"}}", "\"\\\"\\\\\"", "\"\\u0000\\u001f\"",
    ])
    func comesBackAsItWas(_ text: String) throws {
        #expect(encoded(try parse(text)) == text)
    }

    @Test(arguments: [
        ("\"\\n\\t\\b\\f\\r\\/\"", "\"\\u000a\\u0009\\u0008\\u000c\\u000d/\""), ("\"\\u00e4\\uD83D\\ude00\"", "\"ä😀\""),
        (" [ 1 , 2 ]\n", "[1,2]"), ("\t{\"a\" : null}", "{\"a\":null}"),
    ])
    func normalises(_ text: String, _ normal: String) throws {
        #expect(encoded(try parse(text)) == normal)
    }

    @Test(arguments: [
        "", " ", "nul", "nulll", "tru", "01", "+1", "1.", ".5", "1e", "-", "0x1", "NaN", "\"", "\"\\\"", "\"\\x\"",
        "\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\n\"", "[", "[1", "[1,]", "[1 2]", "{", "{\"a\"}",
        "{\"a\":}", "{\"a\":1,}", "{a:1}", "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "1 2", "[]]", "'a'", "\u{feff}1",
    ])
    func refuses(_ text: String) {
        #expect(throws: JSON.Malformed()) { try parse(text) }
    }

    /// Few names are compared one by one, many are hashed.
    @Test(arguments: [2, 15, 16, 17, 18, 40])
    func refusesANameThatComesTwice(_ count: Int) throws {
        var names = (0..<count).map { "name\($0)" }
        func text() -> String { "{" + names.map { "\"\($0)\":1" }.joined(separator: ",") + "}" }
        #expect(try parse(text()).members?.count == count)
        for (earlier, later) in [(0, count - 1), (count - 2, count - 1), (0, 1)] where earlier < later {
            let name = names[later]
            names[later] = names[earlier]
            #expect(throws: JSON.Malformed()) { try parse(text()) }
            names[later] = "\\u006e" + names[earlier].dropFirst()
            #expect(throws: JSON.Malformed()) { try parse(text()) }
            names[later] = name
        }
    }

    /// To a String they are the same.
    @Test func namesAreToldApartByTheirBytes() throws {
        let twins = "{\"\u{E9}\":1,\"e\u{301}\":2,\"K\":3,\"\u{212A}\":4}"
        let many = "{" + (0..<20).map { "\"n\($0)\":0," }.joined() + twins.dropFirst()
        for text in [twins, many] {
            let json = try parse(text)
            #expect(encoded(json) == text)
            #expect(json["e\u{301}"]?.integer == 2 && json["\u{E9}"]?.integer == 1)
            #expect(json["K"]?.integer == 3 && json["\u{212A}"]?.integer == 4)
        }
        #expect(try parse("{\"\u{212A}\":4}")["K"] == nil)
    }

    private func answer(_ text: String) throws(JSON.Malformed) -> JSON {
        try JSON.parse(answer: SecretWriter.build(count: text.utf8.count) { $0.append(text) })
    }

    /// Each in the place of a record, with a good one beside it.
    @Test(arguments: [
        String(repeating: "[", count: 33) + String(repeating: "]", count: 33),
        String(repeating: "{\"a\":", count: 5_000) + "\"}]\\\"\\\\\"" + String(repeating: "}", count: 5_000),
        "{\"a\":1,\"a\":2}", "{\"a\":{\"b\":[{\"c\":1,\"\\u0063\":2}]}}", "\"\\ud800\"", "{\"\\udc00x\":1,\"b\":2}",
        "[\"\\ud800\\u0041\"]",
    ])
    func whatCannotBeKeptOfAnAnswerSpoilsOnlyItself(_ record: String) throws {
        let json = try answer("{\"data\":{\"data\":\(record),\"more\":{\"good\":[1,\"x\"]}}}")
        #expect(json["data"]?["data"]?.isReadable == false)
        #expect(json["data"]?["more"]?.isReadable == true)
        #expect(json["data"]?["more"]?["good"]?.elements?.last?.text == "x")
        #expect(json.isReadable == false)
    }

    @Test func aRecordInAnAnswerNestsAsDeepAsOneByItself() throws {
        for (depth, isKept) in [(31, true), (32, true), (33, false)] {
            let record = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
            #expect(try answer("{\"data\":{\"data\":\(record)}}").isReadable == isKept)
            let alone = try? parse(record)
            #expect((alone != nil) == isKept)
        }
    }

    @Test(arguments: [
        "", "{", "{\"a\":\"\\ud800}", "[[", "{\"a\" 1}", "{\"a\":1}}", String(repeating: "[", count: 40),
        String(repeating: "[", count: 40) + "\"" + String(repeating: "]", count: 40), "nul",
    ])
    func anAnswerThatIsNoJSONIsRefused(_ text: String) {
        #expect(throws: JSON.Malformed()) { try answer(text) }
    }

    @Test func refusesWhatIsNotUTF8() {
        for bytes in [[0x22, 0xff, 0x22], [0x22, 0xc0, 0x80, 0x22], [0x22, 0xed, 0xa0, 0x80, 0x22]] as [[UInt8]] {
            let text = bytes.withUnsafeBytes { Secret(copying: $0) }
            #expect(throws: JSON.Malformed()) { try JSON.parse(text) }
        }
    }

    /// Strings are looked at eight bytes at a time: whatever the place, each byte counts.
    @Test func findsWhatEndsAStringAtEveryPlace() throws {
        for (count, place) in (1...24).flatMap({ count in (0..<count).map { (count, $0) } }) {
            var content = [UInt8](repeating: UInt8(ascii: "!"), count: count)
            func text(_ byte: UInt8) -> Secret {
                content[place] = byte
                return ([0x22] + content + [0x22]).withUnsafeBytes { Secret(copying: $0) }
            }
            for byte in [0x20, 0x21, 0x23, 0x5b, 0x5d, 0x7f] as [UInt8] {
                #expect(try JSON.parse(text(byte)).secret?.count == count)
            }
            for byte in [0x00, 0x1f, 0x22, 0x80, 0xc3, 0xff] as [UInt8] {
                #expect(throws: JSON.Malformed()) { try JSON.parse(text(byte)) }
            }
            // An escape of "!", of the quote at the end, or of a letter.
            #expect(throws: JSON.Malformed()) { try JSON.parse(text(0x5c)) }
        }
    }

    @Test func aStringIsItsOwnSecret() throws {
        let json = try parse("{\"a\":\"text\",\"b\":\"e\\u0073c\"}")
        #expect(json["a"]?.secret?.count == 4)
        #expect(json["b"]?.text == "esc")
        #expect(json["a"]?.string?.begins(with: Array("te".utf8)) == true)
        #expect(json["a"]?.string?.begins(with: Array("text\"".utf8)) == false)
        #expect(json["a"]?.string?.bytes == Array("text".utf8))
    }

    @Test func refusesDeepNesting() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        _ = try parse(nested(JSON.maximumDepth))
        #expect(throws: JSON.Malformed()) { try parse(nested(JSON.maximumDepth + 1)) }
        #expect(throws: JSON.Malformed()) { try parse(String(repeating: "[", count: 1_000_000)) }
    }

    /// Random damage to a good text: parsed or refused, never a trap; what is
    /// parsed comes back from its own encoding.
    @Test func survivesDamage() throws {
        let good = Array(
            "{\"data\":{\"data\":{\"k\":\"v\\u00e4\\n\",\"n\":-1.5e3},\"ok\":[true,null]},\"errors\":[\"x\"]}".utf8)
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            var bytes = good
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: place)
                default: bytes.insert(good.randomElement(using: &random)!, at: place)
                }
            }
            let text = bytes.withUnsafeBytes { Secret(copying: $0) }
            guard let parsed = try? JSON.parse(text) else { continue }
            #expect(encoded(try JSON.parse(parsed.encode())) == encoded(parsed))
        }
    }

    @Test func looksWithoutTrapping() throws {
        let json = try parse("{\"n\":5,\"f\":1.5,\"s\":\"text\",\"a\":[1],\"b\":true,\"z\":null}")
        #expect(json["n"]?.integer == 5)
        #expect(json["f"]?.integer == nil)
        #expect(json["f"]?.double == 1.5)
        #expect(json["s"]?.text == "text")
        #expect(json["a"]?.elements?.count == 1)
        #expect(json["b"]?.bool == true)
        #expect(json["z"]?.isNull == true)
        #expect(json["s"]?["x"] == nil)
        #expect(json["missing"] == nil)
        #expect(try parse("99999999999999999999").integer == nil)
    }
}
