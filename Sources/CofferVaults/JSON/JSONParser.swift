internal import CofferCore

extension JSON {
    /// What is not JSON by RFC 8259, or nests deeper than a vault has reason to.
    struct Malformed: Error, Equatable {}

    static let maximumDepth = 32

    /// Parses a whole text: one value, and nothing but white space around it.
    ///
    /// - Throws: `Malformed`, also for a member that comes twice, for text that is
    ///   not UTF-8 and for a lone surrogate.
    static func parse(_ text: Secret) throws(Malformed) -> JSON {
        try text.withBytes { bytes throws(Malformed) in
            var parser = JSONParser(end: bytes.byteCount)
            let value = try parser.value(in: bytes, depth: 0)
            parser.skipSpace(bytes)
            guard parser.position == bytes.byteCount else { throw Malformed() }
            return value
        }
    }
}

/// A recursive-descent parser over bytes that are not its own.
private struct JSONParser {
    var position = 0
    let end: Int

    init(end: Int) { self.end = end }

    private func peek(_ bytes: RawSpan) -> UInt8? {
        position < end ? bytes.byte(at: position) : nil
    }

    private mutating func next(_ bytes: RawSpan) throws(JSON.Malformed) -> UInt8 {
        guard let byte = peek(bytes) else { throw JSON.Malformed() }
        position += 1
        return byte
    }

    private mutating func expect(_ word: StaticString, _ bytes: RawSpan) throws(JSON.Malformed) {
        for character in word.description.utf8 where try next(bytes) != character { throw JSON.Malformed() }
    }

    mutating func skipSpace(_ bytes: RawSpan) {
        while let byte = peek(bytes), byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
            position += 1
        }
    }

    mutating func value(in bytes: RawSpan, depth: Int) throws(JSON.Malformed) -> JSON {
        guard depth < JSON.maximumDepth else { throw JSON.Malformed() }
        skipSpace(bytes)
        switch peek(bytes) {
        case UInt8(ascii: "{"): return try object(in: bytes, depth: depth)
        case UInt8(ascii: "["): return try array(in: bytes, depth: depth)
        case UInt8(ascii: "\""): return .string(try string(in: bytes))
        case UInt8(ascii: "t"):
            try expect("true", bytes)
            return .bool(true)
        case UInt8(ascii: "f"):
            try expect("false", bytes)
            return .bool(false)
        case UInt8(ascii: "n"):
            try expect("null", bytes)
            return .null
        default: return .number(try number(in: bytes))
        }
    }

    /// Whether another element follows a comma; false at the closing character.
    private mutating func goesOn(until close: UInt8, _ bytes: RawSpan) throws(JSON.Malformed) -> Bool {
        skipSpace(bytes)
        switch try next(bytes) {
        case UInt8(ascii: ","): return true
        case close: return false
        default: throw JSON.Malformed()
        }
    }

    private mutating func isEmpty(until close: UInt8, _ bytes: RawSpan) -> Bool {
        position += 1
        skipSpace(bytes)
        guard peek(bytes) == close else { return false }
        position += 1
        return true
    }

    private mutating func array(in bytes: RawSpan, depth: Int) throws(JSON.Malformed) -> JSON {
        var elements: [JSON] = []
        if isEmpty(until: UInt8(ascii: "]"), bytes) { return .array(elements) }
        repeat {
            elements.append(try value(in: bytes, depth: depth + 1))
        } while try goesOn(until: UInt8(ascii: "]"), bytes)
        return .array(elements)
    }

    private mutating func object(in bytes: RawSpan, depth: Int) throws(JSON.Malformed) -> JSON {
        var members: [(name: String, value: JSON)] = []
        var names: Set<String> = []
        if isEmpty(until: UInt8(ascii: "}"), bytes) { return .object(members) }
        repeat {
            skipSpace(bytes)
            guard let name = JSON.string(try string(in: bytes)).text, names.insert(name).inserted else {
                throw JSON.Malformed()
            }
            skipSpace(bytes)
            guard try next(bytes) == UInt8(ascii: ":") else { throw JSON.Malformed() }
            members.append((name, try value(in: bytes, depth: depth + 1)))
        } while try goesOn(until: UInt8(ascii: "}"), bytes)
        return .object(members)
    }

    // MARK: Strings

    private mutating func string(in bytes: RawSpan) throws(JSON.Malformed) -> Secret {
        guard peek(bytes) == UInt8(ascii: "\"") else { throw JSON.Malformed() }
        position += 1
        let start = position
        let count = try decodedCount(in: bytes)
        let stop = position
        position = start
        let secret = try SecretWriter.build(count: count) { writer throws(JSON.Malformed) in
            while position < stop - 1 { try decode(in: bytes, into: &writer) }
        }
        position = stop
        // Unescaped, a text may still be no UTF-8.
        guard secret.withBytes({ $0.isUTF8 }) else { throw JSON.Malformed() }
        return secret
    }

    /// How many bytes the string at `position` has without its escapes; stands
    /// behind its closing quote then.
    private mutating func decodedCount(in bytes: RawSpan) throws(JSON.Malformed) -> Int {
        var count = 0
        while true {
            let byte = try next(bytes)
            switch byte {
            case UInt8(ascii: "\""): return count
            case 0..<0x20: throw JSON.Malformed()
            case UInt8(ascii: "\\"):
                position -= 1
                count += try escape(in: bytes).utf8.count
            default: count += 1
            }
        }
    }

    private mutating func decode(
        in bytes: RawSpan, into writer: inout SecretWriter
    ) throws(JSON.Malformed) {
        let start = position
        while let byte = peek(bytes), byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") { position += 1 }
        writer.append(bytes.extracting(start..<position))
        if peek(bytes) == UInt8(ascii: "\\") { writer.append(String(try escape(in: bytes))) }
    }

    private mutating func escape(in bytes: RawSpan) throws(JSON.Malformed) -> Character {
        position += 1
        switch try next(bytes) {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return Character(try scalar(in: bytes))
        default: throw JSON.Malformed()
        }
    }

    private mutating func scalar(in bytes: RawSpan) throws(JSON.Malformed) -> Unicode.Scalar {
        let first = try codeUnit(in: bytes)
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xDC00 else { throw JSON.Malformed() }
        try expect("\\u", bytes)
        let second = try codeUnit(in: bytes)
        guard (0xDC00...0xDFFF).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + second - 0xDC00)
        else { throw JSON.Malformed() }
        return scalar
    }

    private mutating func codeUnit(in bytes: RawSpan) throws(JSON.Malformed) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = Character(Unicode.Scalar(try next(bytes))).hexDigitValue else {
                throw JSON.Malformed()
            }
            value = value << 4 | UInt32(digit)
        }
        return value
    }

    // MARK: Numbers

    private mutating func number(in bytes: RawSpan) throws(JSON.Malformed) -> String {
        let start = position
        if peek(bytes) == UInt8(ascii: "-") { position += 1 }
        if peek(bytes) == UInt8(ascii: "0") { position += 1 } else { try digits(in: bytes) }
        if peek(bytes) == UInt8(ascii: ".") {
            position += 1
            try digits(in: bytes)
        }
        if let byte = peek(bytes), byte | 0x20 == UInt8(ascii: "e") {
            position += 1
            if let sign = peek(bytes), sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { position += 1 }
            try digits(in: bytes)
        }
        var cursor = ByteCursor()
        guard let text = cursor.text(count: position - start, in: bytes.extracting(start..<position)) else {
            throw JSON.Malformed()
        }
        return text
    }

    private mutating func digits(in bytes: RawSpan) throws(JSON.Malformed) {
        let start = position
        while let byte = peek(bytes), (0x30...0x39).contains(byte) { position += 1 }
        guard position > start else { throw JSON.Malformed() }
    }
}
