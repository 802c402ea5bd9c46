package import CofferCore

extension JSON {
    /// The text, without white space, non-ASCII characters as they are.
    package func encode() -> Secret {
        SecretWriter.build(count: encodedCount) { write(to: &$0) }
    }

    private var encodedCount: Int {
        switch self {
        // An unreadable value is never written: it has no text any more.
        case .null, .unreadable: 4
        case .bool(let value): value ? 4 : 5
        case .number(let text): text.utf8.count
        case .string(let string): Self.quotedCount(string)
        case .array(let elements): 2 + max(0, elements.count - 1) + elements.reduce(0) { $0 + $1.encodedCount }
        case .object(let members):
            2 + max(0, members.count - 1)
                + members.reduce(0) { $0 + Self.quotedCount(Self.string($1.name)) + 1 + $1.value.encodedCount }
        }
    }

    private func write(to writer: inout SecretWriter) {
        switch self {
        case .null, .unreadable: writer.append("null")
        case .bool(let value): writer.append(value ? "true" : "false")
        case .number(let text): writer.append(text)
        case .string(let string): Self.quote(string, to: &writer)
        case .array(let elements):
            writer.append("[")
            for (index, element) in elements.enumerated() {
                if index > 0 { writer.append(",") }
                element.write(to: &writer)
            }
            writer.append("]")
        case .object(let members):
            writer.append("{")
            for (index, member) in members.enumerated() {
                if index > 0 { writer.append(",") }
                Self.quote(Self.string(member.name), to: &writer)
                writer.append(":")
                member.value.write(to: &writer)
            }
            writer.append("}")
        }
    }

    private static func string(_ text: String) -> JSONString {
        JSONString(SecretWriter.build(count: text.utf8.count) { $0.append(text) })
    }

    // MARK: Strings

    private static func quotedCount(_ string: JSONString) -> Int {
        string.withBytes { bytes in
            var count = 2
            for offset in 0..<bytes.byteCount {
                count += escapedCount(bytes.byte(at: offset))
            }
            return count
        }
    }

    private static func escapedCount(_ byte: UInt8) -> Int {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): 2
        case 0..<0x20: 6
        default: 1
        }
    }

    private static func quote(_ string: JSONString, to writer: inout SecretWriter) {
        writer.append("\"")
        string.withBytes { bytes in
            var start = 0
            for offset in 0..<bytes.byteCount {
                let byte = bytes.byte(at: offset)
                guard escapedCount(byte) > 1 else { continue }
                writer.append(bytes.extracting(start..<offset))
                start = offset + 1
                if byte < 0x20 {
                    writer.append("\\u00" + (byte < 0x10 ? "0" : "") + String(byte, radix: 16))
                } else {
                    writer.append(UInt8(ascii: "\\"))
                    writer.append(byte)
                }
            }
            writer.append(bytes.extracting(start..<bytes.byteCount))
        }
        writer.append("\"")
    }
}
