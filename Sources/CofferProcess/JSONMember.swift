import Glibc

/// One member of a credential that is a JSON object (RFC 8259), found without a copy of the rest.
package enum JSONMember {
    /// Why there is no such member to be had. None repeats what the text holds.
    package enum Failure: Error, Equatable, Sendable {
        /// The text is not one JSON object in UTF-8, or is nested deeper than 64 levels.
        case notAnObject
        case absent
        /// Two members have the name: programs differ in which one counts.
        case repeated
        case null
    }

    /// Lends a member's value: of a string its characters, of anything else the text as it stands.
    ///
    /// - Parameter name: of a member of the outermost object.
    package static func find<Result>(
        _ name: String, in text: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
        var reader = JSONReader(text)
        guard let value = try reader.member(name) else { throw Failure.absent }
        let token = UnsafeRawBufferPointer(rebasing: text[value])
        if token.elementsEqual("null".utf8) { throw Failure.null }
        guard token.first == UInt8(ascii: "\"") else { return try body(token) }
        let characters = UnsafeMutableRawBufferPointer.allocate(byteCount: token.count, alignment: 1)
        defer {
            explicit_bzero(characters.baseAddress!, characters.count)
            characters.deallocate()
        }
        let count = JSONReader.unescape(token, into: characters)
        return try body(UnsafeRawBufferPointer(rebasing: characters[..<count]))
    }
}

/// Goes over a JSON text once and checks all of it.
private struct JSONReader {
    private static let deepest = 64

    private let text: UnsafeRawBufferPointer
    private var next = 0

    init(_ text: UnsafeRawBufferPointer) { self.text = text }

    /// Where the value of the only member of that name lies.
    mutating func member(_ name: String) throws(JSONMember.Failure) -> Range<Int>? {
        let text = text
        guard (try? UTF8Span(validating: text.bindMemory(to: UInt8.self).span)) != nil else { throw .notAnObject }
        var found: Range<Int>?
        var isRepeated = false
        skipBlanks()
        try object(depth: 1) { key, value in
            let characters = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, key.count), alignment: 1)
            defer { characters.deallocate() }
            let count = Self.unescape(UnsafeRawBufferPointer(rebasing: text[key]), into: characters)
            guard characters[..<count].elementsEqual(name.utf8) else { return }
            isRepeated = isRepeated || found != nil
            found = value
        }
        skipBlanks()
        guard next == text.count else { throw .notAnObject }
        if isRepeated { throw .repeated }
        return found
    }

    // MARK: Values

    private mutating func value(depth: Int) throws(JSONMember.Failure) {
        switch peek() {
        case UInt8(ascii: "{"): try object(depth: depth) { _, _ in }
        case UInt8(ascii: "["): try array(depth: depth)
        case UInt8(ascii: "\""): try string()
        case UInt8(ascii: "t"): try word("true")
        case UInt8(ascii: "f"): try word("false")
        case UInt8(ascii: "n"): try word("null")
        default: try number()
        }
    }

    private mutating func object(
        depth: Int, _ each: (_ key: Range<Int>, _ value: Range<Int>) -> Void
    ) throws(JSONMember.Failure) {
        try expect("{", depth)
        skipBlanks()
        if take("}") { return }
        repeat {
            skipBlanks()
            let keyStart = next
            try string()
            let key = keyStart..<next
            skipBlanks()
            try expect(":", depth)
            skipBlanks()
            let valueStart = next
            try value(depth: depth + 1)
            each(key, valueStart..<next)
            skipBlanks()
        } while take(",")
        try expect("}", depth)
    }

    private mutating func array(depth: Int) throws(JSONMember.Failure) {
        try expect("[", depth)
        skipBlanks()
        if take("]") { return }
        repeat {
            skipBlanks()
            try value(depth: depth + 1)
            skipBlanks()
        } while take(",")
        try expect("]", depth)
    }

    private mutating func string() throws(JSONMember.Failure) {
        guard take("\"") else { throw .notAnObject }
        while let byte = peek(), byte >= 0x20 {
            next += 1
            if byte == UInt8(ascii: "\"") { return }
            if byte == UInt8(ascii: "\\") { try escape() }
        }
        throw .notAnObject
    }

    private mutating func escape() throws(JSONMember.Failure) {
        guard let byte = peek(), "\"\\/bfnrtu".utf8.contains(byte) else { throw .notAnObject }
        next += 1
        guard byte == UInt8(ascii: "u") else { return }
        guard let unit = Self.unit(text, at: next) else { throw .notAnObject }
        next += 4
        guard (0xD800...0xDFFF).contains(unit) else { return }
        // Half a pair is no character.
        guard unit < 0xDC00, take("\\"), take("u"), let low = Self.unit(text, at: next),
            (0xDC00...0xDFFF).contains(low)
        else { throw .notAnObject }
        next += 4
    }

    private mutating func number() throws(JSONMember.Failure) {
        _ = take("-")
        if !take("0") { try digits() }
        if take(".") { try digits() }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            try digits()
        }
    }

    private mutating func digits() throws(JSONMember.Failure) {
        let start = next
        while let byte = peek(), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { next += 1 }
        guard next > start else { throw .notAnObject }
    }

    private mutating func word(_ word: StaticString) throws(JSONMember.Failure) {
        for index in 0..<word.utf8CodeUnitCount {
            guard peek() == word.utf8Start[index] else { throw .notAnObject }
            next += 1
        }
    }

    // MARK: Bytes

    private func peek() -> UInt8? { next < text.count ? text[next] : nil }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard peek() == UInt8(ascii: character) else { return false }
        next += 1
        return true
    }

    private mutating func expect(_ character: Unicode.Scalar, _ depth: Int) throws(JSONMember.Failure) {
        guard depth <= Self.deepest, take(character) else { throw .notAnObject }
    }

    private mutating func skipBlanks() {
        while let byte = peek(), byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { next += 1 }
    }

    /// The UTF-16 unit of four hexadecimal digits.
    private static func unit(_ text: UnsafeRawBufferPointer, at start: Int) -> UInt32? {
        guard start + 4 <= text.count else { return nil }
        var unit: UInt32 = 0
        for byte in text[start..<start + 4] {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else { return nil }
            unit = unit << 4 | UInt32(digit)
        }
        return unit
    }

    /// Writes the characters of a string that was checked; they are never more than its text.
    static func unescape(_ token: UnsafeRawBufferPointer, into memory: UnsafeMutableRawBufferPointer) -> Int {
        var (index, count) = (1, 0)
        func append(_ scalar: UInt32) {
            for byte in Unicode.Scalar(scalar).map({ Array(String($0).utf8) }) ?? [] {
                memory[count] = byte
                count += 1
            }
        }
        while index < token.count - 1 {
            let byte = token[index]
            index += 1
            guard byte == UInt8(ascii: "\\") else {
                memory[count] = byte
                count += 1
                continue
            }
            let kind = token[index]
            index += 1
            guard kind == UInt8(ascii: "u"), let unit = unit(token, at: index) else {
                append(Self.control[kind] ?? UInt32(kind))
                continue
            }
            index += 4
            guard (0xD800..<0xDC00).contains(unit), let low = Self.unit(token, at: index + 2) else {
                append(unit)
                continue
            }
            index += 6
            append(0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00))
        }
        return count
    }

    private static let control: [UInt8: UInt32] = [
        UInt8(ascii: "b"): 0x08, UInt8(ascii: "f"): 0x0C, UInt8(ascii: "n"): 0x0A, UInt8(ascii: "r"): 0x0D,
        UInt8(ascii: "t"): 0x09,
    ]
}
