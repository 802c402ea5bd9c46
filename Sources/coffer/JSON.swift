import CofferProcess
import FoundationEssentials

/// Prints values as JSON, keys sorted.
enum JSON {
    /// To standard output, on several lines.
    static func print(_ value: some Encodable) throws {
        let encoder = encoder([.prettyPrinted])
        try StandardStream.output.write(text(try encoder.encode(value)) + "\n")
    }

    /// One line with its end.
    static func line(_ value: some Encodable) -> String {
        // Texts and numbers always encode.
        ((try? encoder([]).encode(value)).map(text) ?? "{}") + "\n"
    }

    private static func encoder(_ formatting: JSONEncoder.OutputFormatting) -> JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = formatting.union([.sortedKeys, .withoutEscapingSlashes])
        return encoder
    }

    private static func text(_ data: Data) -> String { Printable.json(String(decoding: data, as: UTF8.self)) }
}

/// A point in time: Unix milliseconds, as the protocol has it, in RFC 3339 for people.
enum Timestamp {
    static func text(_ milliseconds: UInt64) -> String {
        Date(timeIntervalSince1970: Double(milliseconds / 1_000)).formatted(.iso8601)
    }
}
