import CofferCore
import Testing

@Suite struct RecordKeyPropertyTests {
    /// Bytes name a record. Text that looks the same in another Unicode form is
    /// another name, in the wire format, in vaults and in the cache.
    @Test(arguments: [
        ("\u{E9}", "e\u{301}"), ("\u{212B}", "\u{C5}"), ("\u{1E9B}\u{323}", "\u{17F}\u{323}\u{307}"),
        ("\u{AC00}", "\u{1100}\u{1161}"),
    ])
    func keysAreEqualOnlyByteForByte(one: String, other: String) throws {
        let a = try RecordKey(user: one, connection: "c")
        let b = try RecordKey(user: other, connection: "c")
        #expect(a != b)
        #expect(try RecordKey(user: "u", connection: one) != RecordKey(user: "u", connection: other))
        #expect(Set([a, b, a]).count == 2)
        #expect(a == (try RecordKey(user: one, connection: "c")))
    }

    @Test func theBorderBetweenTheIdsCounts() throws {
        let keys = try [("ab", "c"), ("a", "bc"), ("a", "b"), ("b", "a")].map {
            try RecordKey(user: $0.0, connection: $0.1)
        }
        #expect(Set(keys).count == keys.count)
    }
}
