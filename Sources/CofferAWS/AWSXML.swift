internal import CofferCore
internal import CofferVaultKit

/// As much of XML as the token service answers with: elements, attributes that
/// are passed over, text, and the five entities. Anything else is malformed.
struct AWSXML: Sendable {
    /// What is not that.
    struct Malformed: Error, Equatable {}

    static let maximumDepth = 16
    static let maximumBytes = 65_536

    let name: String
    fileprivate(set) var children: [AWSXML] = []
    /// The text directly inside of it, white space included.
    fileprivate(set) var secret = Secret("")

    /// The first child of that name.
    subscript(name: String) -> AWSXML? { children.first { $0.name == name } }

    /// The text as ordinary text: for what is not secret.
    var text: String? { secret.text }

    fileprivate init(name: String) { self.name = name }

    /// The root element of a whole document.
    static func parse(_ document: Secret) throws(Malformed) -> AWSXML {
        guard document.count <= maximumBytes else { throw Malformed() }
        return try document.withBytes { bytes throws(Malformed) in
            guard bytes.isUTF8 else { throw Malformed() }
            var parser = AWSXMLParser(end: bytes.byteCount)
            parser.skipSpace(bytes)
            if parser.skip("<?xml ", bytes) { try parser.skipPast("?>", bytes) }
            parser.skipSpace(bytes)
            let root = try parser.element(bytes, depth: 0)
            parser.skipSpace(bytes)
            guard parser.position == bytes.byteCount else { throw Malformed() }
            return root
        }
    }
}

/// A recursive-descent parser over bytes that are not its own.
private struct AWSXMLParser {
    var position = 0
    let end: Int

    init(end: Int) { self.end = end }

    private func peek(_ bytes: RawSpan) -> UInt8? { position < end ? bytes.byte(at: position) : nil }

    mutating func skipSpace(_ bytes: RawSpan) {
        while let byte = peek(bytes), [0x20, 0x09, 0x0A, 0x0D].contains(byte) { position += 1 }
    }

    mutating func skip(_ word: String, _ bytes: RawSpan) -> Bool {
        let word = Array(word.utf8)
        guard end - position >= word.count, word.indices.allSatisfy({ bytes.byte(at: position + $0) == word[$0] })
        else { return false }
        position += word.count
        return true
    }

    mutating func skipPast(_ word: String, _ bytes: RawSpan) throws(AWSXML.Malformed) {
        while !skip(word, bytes) {
            guard position < end else { throw AWSXML.Malformed() }
            position += 1
        }
    }

    private mutating func name(_ bytes: RawSpan) throws(AWSXML.Malformed) -> String {
        let start = position
        while let byte = peek(bytes), byte.isASCIILetterOrDigit || "_-.:".utf8.contains(byte) { position += 1 }
        var cursor = ByteCursor()
        guard (1...128).contains(position - start),
            let name = cursor.text(count: position - start, in: bytes.extracting(start..<position))
        else { throw AWSXML.Malformed() }
        return name
    }

    /// Attributes and the end of a start tag; true if it is an empty element.
    private mutating func attributes(_ bytes: RawSpan) throws(AWSXML.Malformed) -> Bool {
        while true {
            skipSpace(bytes)
            if skip("/>", bytes) { return true }
            if skip(">", bytes) { return false }
            _ = try name(bytes)
            guard skip("=", bytes), let quote = peek(bytes), quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'")
            else { throw AWSXML.Malformed() }
            position += 1
            try skipPast(quote == UInt8(ascii: "\"") ? "\"" : "'", bytes)
        }
    }

    mutating func element(_ bytes: RawSpan, depth: Int) throws(AWSXML.Malformed) -> AWSXML {
        guard depth < AWSXML.maximumDepth, skip("<", bytes) else { throw AWSXML.Malformed() }
        var element = AWSXML(name: try name(bytes))
        if try attributes(bytes) { return element }
        var pieces: [Secret] = []
        while !skip("</", bytes) {
            if peek(bytes) == UInt8(ascii: "<") {
                element.children.append(try self.element(bytes, depth: depth + 1))
            } else {
                pieces.append(try text(bytes))
            }
        }
        guard try name(bytes) == element.name else { throw AWSXML.Malformed() }
        skipSpace(bytes)
        guard skip(">", bytes) else { throw AWSXML.Malformed() }
        element.secret = SecretWriter.build(count: pieces.reduce(0) { $0 + $1.count }) { writer in
            pieces.forEach { writer.append($0) }
        }
        return element
    }

    /// A run of characters, or one entity.
    private mutating func text(_ bytes: RawSpan) throws(AWSXML.Malformed) -> Secret {
        if peek(bytes) == UInt8(ascii: "&") {
            for (entity, character) in [
                ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"),
            ]
            where skip(entity, bytes) {
                return Secret(character)
            }
            throw AWSXML.Malformed()
        }
        let start = position
        while let byte = peek(bytes), byte != UInt8(ascii: "<"), byte != UInt8(ascii: "&") { position += 1 }
        guard position > start else { throw AWSXML.Malformed() }
        return Secret(copying: bytes.extracting(start..<position))
    }
}
