package import CofferCore

extension JSON {
    /// What is not JSON by RFC 8259, or nests deeper than a vault has reason to.
    package struct Malformed: Error, Equatable {}

    /// Values inside values of one record, itself included.
    package static let maximumDepth = 32
    /// How deep a record may stand in what a vault answers.
    package static let envelopeDepth = 2

    /// Parses a whole text: one value, and nothing but white space around it.
    ///
    /// - Throws: `Malformed`, also for nesting beyond `maximumDepth`, for a member that
    ///   comes twice, for text that is not UTF-8 and for a lone surrogate.
    package static func parse(_ text: Secret) throws(Malformed) -> JSON {
        try parse(text, maximumDepth: maximumDepth, keepsGoing: false)
    }

    /// Parses what a vault answers. Members are told apart by their bytes.
    ///
    /// What is well-formed and cannot be kept becomes `unreadable`, with the object that it
    /// stands in if it is a name: a record that another program wrote must not make an answer
    /// of the vault look like none. Depth is counted so that a record in the answer may nest
    /// as deep as one by itself.
    ///
    /// - Throws: `Malformed` for what is no JSON.
    ///
    /// - Parameter depth: how deep the record stands in it; 0 = it is the record.
    package static func parse(answer text: Secret, recordAt depth: Int = envelopeDepth) throws(Malformed) -> JSON {
        try parse(text, maximumDepth: maximumDepth + depth, keepsGoing: true)
    }

    private static func parse(_ text: Secret, maximumDepth: Int, keepsGoing: Bool) throws(Malformed) -> JSON {
        try text.withBytes { bytes throws(Malformed) in
            var parser = JSONParser(text, end: bytes.byteCount, maximumDepth, keepsGoing: keepsGoing)
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
    /// Where the bytes are from.
    private let text: Secret
    private let maximumDepth: Int
    /// What cannot be kept becomes `unreadable`.
    private let keepsGoing: Bool

    init(_ text: Secret, end: Int, _ maximumDepth: Int, keepsGoing: Bool) {
        self.text = text
        self.end = end
        self.maximumDepth = maximumDepth
        self.keepsGoing = keepsGoing
    }

    private func peek(_ bytes: RawSpan) -> UInt8? {
        position < end ? bytes.byte(at: position) : nil
    }

    private mutating func next(_ bytes: RawSpan) throws(JSON.Malformed) -> UInt8 {
        guard let byte = peek(bytes) else { throw JSON.Malformed() }
        position += 1
        return byte
    }

    private mutating func expect(_ word: String, _ bytes: RawSpan) throws(JSON.Malformed) {
        for character in word.utf8 where try next(bytes) != character { throw JSON.Malformed() }
    }

    mutating func skipSpace(_ bytes: RawSpan) {
        while let byte = peek(bytes), byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
            position += 1
        }
    }

    mutating func value(in bytes: RawSpan, depth: Int) throws(JSON.Malformed) -> JSON {
        guard depth < maximumDepth else { return try skipped(in: bytes) }
        skipSpace(bytes)
        switch peek(bytes) {
        case UInt8(ascii: "{"): return try object(in: bytes, depth: depth)
        case UInt8(ascii: "["): return try array(in: bytes, depth: depth)
        case UInt8(ascii: "\""): return try text(in: bytes).map { .string($0) } ?? .unreadable
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
        var members: [JSON.Member] = []
        var names = MemberNames()
        if isEmpty(until: UInt8(ascii: "}"), bytes) { return .object(members) }
        members.reserveCapacity(8)
        var isReadable = true
        repeat {
            skipSpace(bytes)
            let name = try text(in: bytes).flatMap(\.string)
            skipSpace(bytes)
            guard try next(bytes) == UInt8(ascii: ":") else { throw JSON.Malformed() }
            let value = try value(in: bytes, depth: depth + 1)
            if let name, names.insert(name, behind: members) {
                members.append(JSON.Member(name: name, value: value))
            } else {
                guard keepsGoing else { throw JSON.Malformed() }
                isReadable = false
            }
        } while try goesOn(until: UInt8(ascii: "}"), bytes)
        return isReadable ? .object(members) : .unreadable
    }

    // MARK: What cannot be kept

    /// Goes behind a value that nests too deep, in steps and not by recursion.
    private mutating func skipped(in bytes: RawSpan) throws(JSON.Malformed) -> JSON {
        guard keepsGoing else { throw JSON.Malformed() }
        var open = 0
        repeat {
            skipSpace(bytes)
            let start = position
            switch try next(bytes) {
            case UInt8(ascii: "{"), UInt8(ascii: "["): open += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): open -= 1
            case UInt8(ascii: "\""): try skipText(from: start, bytes)
            case UInt8(ascii: ","), UInt8(ascii: ":"): if open == 0 { throw JSON.Malformed() }
            default: while let byte = peek(bytes), Self.isInsideWord(byte) { position += 1 }
            }
        } while open > 0
        guard open == 0 else { throw JSON.Malformed() }
        return .unreadable
    }

    /// Of a number, `true`, `false` or `null`.
    private static func isInsideWord(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."): true
        default: false
        }
    }

    /// Goes behind the string that begins at `start`, whatever is in it.
    private mutating func skipText(from start: Int, _ bytes: RawSpan) throws(JSON.Malformed) {
        position = start + 1
        while true {
            switch try next(bytes) {
            case UInt8(ascii: "\""): return
            case UInt8(ascii: "\\"): _ = try next(bytes)
            default: break
            }
        }
    }

    /// Nil for one that is no Unicode text, if that is to be borne.
    private mutating func text(in bytes: RawSpan) throws(JSON.Malformed) -> JSONString? {
        let start = position
        do throws(JSON.Malformed) {
            return try string(in: bytes)
        } catch {
            guard keepsGoing, start < end, bytes.byte(at: start) == UInt8(ascii: "\"") else { throw error }
            try skipText(from: start, bytes)
            return nil
        }
    }

    // MARK: Strings

    /// A string as it stands between its quotes.
    private struct Quoted {
        let content: Range<Int>
        /// Bytes without its escapes; as many as in `content` if it has none.
        let decodedCount: Int

        var isPlain: Bool { decodedCount == content.count }
    }

    private mutating func string(in bytes: RawSpan) throws(JSON.Malformed) -> JSONString {
        let quoted = try quoted(in: bytes)
        return quoted.isPlain ? JSONString(text, quoted.content) : JSONString(try decoded(quoted, in: bytes))
    }

    /// The string at `position`, which is behind its closing quote then.
    private mutating func quoted(in bytes: RawSpan) throws(JSON.Malformed) -> Quoted {
        guard peek(bytes) == UInt8(ascii: "\"") else { throw JSON.Malformed() }
        position += 1
        let start = position
        let (count, isASCII) = try decodedCount(in: bytes)
        let content = start..<position - 1
        // Escapes are ASCII: they change nothing about the rest being UTF-8.
        guard isASCII || bytes.extracting(content).isUTF8 else { throw JSON.Malformed() }
        return Quoted(content: content, decodedCount: count)
    }

    /// How many bytes the string at `position` has without its escapes; stands
    /// behind its closing quote then.
    private mutating func decodedCount(in bytes: RawSpan) throws(JSON.Malformed) -> (count: Int, isASCII: Bool) {
        var (count, isASCII) = (0, true)
        while true {
            let start = position
            skipPlain(bytes, &isASCII)
            count += position - start
            guard let byte = peek(bytes), byte >= 0x20 else { throw JSON.Malformed() }
            if byte == UInt8(ascii: "\"") {
                position += 1
                return (count, isASCII)
            }
            count += try escape(in: bytes).utf8.count
        }
    }

    /// Goes to the next byte that does not stand for itself.
    ///
    /// - Parameter isASCII: false afterwards if other bytes may be among them.
    private mutating func skipPlain(_ bytes: RawSpan, _ isASCII: inout Bool) {
        while end - position >= 8 {
            let word = Word(bytes.littleEndianWord(at: position))
            if !word.isASCII { isASCII = false }
            position += word.plainCount
            if word.plainCount < 8 { return }
        }
        while position < end, Self.isPlain(bytes.byte(at: position)) {
            if bytes.byte(at: position) >= 0x80 { isASCII = false }
            position += 1
        }
    }

    /// Eight bytes of a string, the first one lowest: most texts are long.
    private struct Word {
        let isASCII: Bool
        /// How many bytes stand for themselves before one that does not.
        let plainCount: Int

        private static let ones: UInt64 = 0x0101_0101_0101_0101
        private static let tops: UInt64 = 0x8080_8080_8080_8080

        init(_ bytes: UInt64) {
            isASCII = bytes & Self.tops == 0
            let quotes = bytes ^ Self.ones &* UInt64(UInt8(ascii: "\""))
            let escapes = bytes ^ Self.ones &* UInt64(UInt8(ascii: "\\"))
            // The top bit of each byte below 0x20, and of each that became 0. A borrow
            // sets more of them, but only above one that is right.
            let found =
                (bytes &- Self.ones &* 0x20) & ~bytes | (quotes &- Self.ones) & ~quotes
                | (escapes &- Self.ones) & ~escapes
            plainCount = (found & Self.tops).trailingZeroBitCount / 8
        }
    }

    /// What stands for itself in a string.
    private static func isPlain(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }

    private func decoded(_ quoted: Quoted, in bytes: RawSpan) throws(JSON.Malformed) -> Secret {
        var parser = self
        parser.position = quoted.content.lowerBound
        return try SecretWriter.build(count: quoted.decodedCount) { writer throws(JSON.Malformed) in
            while parser.position < quoted.content.upperBound {
                let start = parser.position
                while parser.position < quoted.content.upperBound, Self.isPlain(bytes.byte(at: parser.position)) {
                    parser.position += 1
                }
                writer.append(bytes.extracting(start..<parser.position))
                if parser.position < quoted.content.upperBound { writer.append(String(try parser.escape(in: bytes))) }
            }
        }
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

/// Tells whether a name came before, by its bytes: by looking at all of them while they
/// are few, which is cheaper than to hash them.
private struct MemberNames {
    private static let few = 16
    private var many: Set<ByteText> = []

    /// - Returns: false if the name is among `members`, whose names were inserted before.
    mutating func insert(_ name: String, behind members: [JSON.Member]) -> Bool {
        if members.count < Self.few { return !members.contains { $0.name.hasSameBytes(as: name) } }
        if members.count == Self.few { many = Set(members.map { ByteText($0.name) }) }
        return many.insert(ByteText(name)).inserted
    }
}
