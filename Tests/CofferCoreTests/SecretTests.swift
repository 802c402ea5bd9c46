import CofferCore
import Testing

@Suite struct SecretTests {
    @Test func printsItsSizeOnly() {
        let secret = SecretWriter.build(count: 6) { $0.append("hunter") }
        var dumped = ""
        dump(secret, to: &dumped)
        #expect("\(secret)" == "<secret, 6 bytes>")
        #expect(String(reflecting: secret) == "<secret, 6 bytes>")
        #expect(!dumped.contains("hunter"))
    }

    @Test func writesAndReadsFields() throws {
        let secret = SecretWriter.build(count: 4 + 2 + 1) {
            $0.append(UInt32(0x0102_0304))
            $0.append("hi")
            $0.append(UInt8(9))
        }
        secret.withBytes { bytes in
            var cursor = ByteCursor()
            #expect(cursor.integer(UInt32.self, in: bytes) == 0x0102_0304)
            #expect(cursor.text(count: 2, in: bytes) == "hi")
            #expect(cursor.integer(UInt16.self, in: bytes) == nil)
            #expect(cursor.integer(UInt8.self, in: bytes) == 9)
            #expect(cursor.remaining(in: bytes) == 0)
            #expect(cursor.text(count: 1, in: bytes) == nil)
        }
    }

    @Test func comparesByContent() {
        let a = SecretWriter.build(count: 2) { $0.append(UInt16(7)) }
        let b = SecretWriter.build(count: 2) { $0.append(UInt16(7)) }
        let c = SecretWriter.build(count: 2) { $0.append(UInt16(8)) }
        #expect(a.isEqual(to: b))
        #expect(!a.isEqual(to: c))
    }
}

@Suite struct SpanTests {
    @Test(arguments: [
        ("a port that expects TLS", "expects", false, true), ("expects", "expects", false, true),
        ("EXPECTS", "expects", false, false), ("it Expects", "expects", true, true), ("expect", "expects", false, false),
        ("", "e", false, false), ("eexpects", "expects", false, true), ("EXPECT\u{33}", "expects", true, false),
    ])
    func findsWords(text: String, words: String, ignoringCase: Bool, isThere: Bool) {
        let secret = SecretWriter.build(count: text.utf8.count) { $0.append(text) }
        #expect(secret.withBytes { $0.contains(words, ignoringCase: ignoringCase) } == isThere)
    }
}

@Suite struct RecordKeyTests {
    @Test(arguments: [
        "", String(repeating: "a", count: 257), "a\u{0}", "tab\t", "del\u{7f}", "c1\u{85}", "\n",
    ])
    func refuses(id: String) {
        #expect(throws: Failure.self) { try RecordKey(user: id, connection: "c") }
        #expect(throws: Failure.self) { try RecordKey(user: "u", connection: id) }
    }

    @Test(arguments: ["a", String(repeating: "é", count: 128), "a b", "a/b:c", "\u{a0}", "日本"])
    func accepts(id: String) throws {
        #expect(try RecordKey(user: id, connection: id).user == id)
    }
}

@Suite struct KeyHasherTests {
    @Test func dependsOnTheBorderAndTheSeed() throws {
        let hasher = KeyHasher(random: SystemRandom())
        let other = KeyHasher(random: SystemRandom())
        let ab = try RecordKey(user: "ab", connection: "c")
        let a = try RecordKey(user: "a", connection: "bc")
        #expect(hasher.hash(ab) == hasher.hash(ab))
        #expect(hasher.hash(ab) != hasher.hash(a))
        #expect(hasher.hash(ab) != other.hash(ab))
    }
}
