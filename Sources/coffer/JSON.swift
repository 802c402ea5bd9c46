import FoundationEssentials

/// Prints a value as JSON, keys sorted.
enum JSON {
    static func print(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        Standard.output(String(decoding: try encoder.encode(value), as: UTF8.self) + "\n")
    }
}

/// A point in time: Unix milliseconds, as the protocol has it, in RFC 3339 for people.
enum Timestamp {
    static func text(_ milliseconds: UInt64) -> String {
        Date(timeIntervalSince1970: Double(milliseconds / 1_000)).formatted(.iso8601)
    }
}
