/// One line of the case file: a call, and what its answer must be.
struct InteropCase: Equatable {
    /// The line it stands on, from 1.
    var line: Int
    var method: String
    var arguments: Fields
    /// gRPC's name.
    var status: String
    var expectations: Fields

    /// What is wrong with a line.
    struct SyntaxError: Error, Equatable, CustomStringConvertible {
        let line: Int
        let problem: String
        var description: String { "line \(line): \(problem)" }
    }

    /// - Returns: nil for a blank line or a comment.
    init?(_ text: some StringProtocol, line: Int) throws(SyntaxError) {
        guard !text.isEmpty, !text.hasPrefix("#") else { return nil }
        let tokens = text.split(separator: " ", omittingEmptySubsequences: false)
        guard let arrow = tokens.firstIndex(of: "=>"), arrow > 0, arrow + 1 < tokens.count else {
            throw SyntaxError(line: line, problem: "expected METHOD key=value … => STATUS key=value …")
        }
        self.line = line
        method = String(tokens[0])
        arguments = try Fields(tokens[1..<arrow], line: line)
        status = String(tokens[arrow + 1])
        expectations = try Fields(tokens[(arrow + 2)...], line: line)
    }

    /// - Throws: `SyntaxError` for the first line that is none.
    static func parse(_ file: String) throws(SyntaxError) -> [InteropCase] {
        var cases: [InteropCase] = []
        for (index, text) in file.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if let parsed = try InteropCase(text, line: index + 1) { cases.append(parsed) }
        }
        return cases
    }
}

/// The `key=value` tokens of one side, values still percent-encoded.
struct Fields: Equatable {
    private(set) var raw: [String: String] = [:]

    init(_ tokens: some Collection<some StringProtocol>, line: Int) throws(InteropCase.SyntaxError) {
        for token in tokens {
            let parts = token.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, raw.updateValue(String(parts[1]), forKey: String(parts[0])) == nil else {
                throw InteropCase.SyntaxError(line: line, problem: "expected key=value, each key once, got \"\(token)\"")
            }
        }
    }

    /// The decoded bytes; nil if the key is absent or its value does not decode.
    func bytes(_ key: String) -> [UInt8]? { raw[key].flatMap(percentDecoded) }

    func text(_ key: String) -> String? { bytes(key).flatMap { String(validating: $0, as: UTF8.self) } }

    func number<N: FixedWidthInteger>(_ key: String, as _: N.Type = N.self) -> N? { raw[key].flatMap { N($0) } }

    /// `value=BYTES`, or `fill=N`: byte i is (i * 31 + 7) mod 256.
    var value: [UInt8]? {
        if let count = number("fill", as: Int.self) {
            return (0..<count).map { UInt8(truncatingIfNeeded: $0 * 31 + 7) }
        }
        return bytes("value")
    }

    /// The `label.NAME` fields, by name.
    var labels: [String: String] {
        var labels: [String: String] = [:]
        for key in raw.keys where key.hasPrefix("label.") {
            if let name = percentDecoded(key.dropFirst(6)).flatMap({ String(validating: $0, as: UTF8.self) }) {
                labels[name] = text(key)
            }
        }
        return labels
    }
}

/// `%XX` to bytes; nil for a `%` without two digits.
func percentDecoded(_ text: some StringProtocol) -> [UInt8]? {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
        guard byte == UInt8(ascii: "%") else {
            bytes.append(byte)
            continue
        }
        let digits = String(decoding: rest.prefix(2), as: UTF8.self)
        guard digits.count == 2, digits.allSatisfy(\.isHexDigit), let value = UInt8(digits, radix: 16) else {
            return nil
        }
        bytes.append(value)
        rest = rest.dropFirst(2)
    }
    return bytes
}

/// Bytes to `%XX`, but for `[A-Za-z0-9._~-]`.
func percentEncoded(_ text: String) -> String {
    text.utf8.reduce(into: "") { result, byte in
        let scalar = UnicodeScalar(byte)
        let isPlain = scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || "._~-".unicodeScalars.contains(scalar)
        if isPlain && byte < 0x80 {
            result.unicodeScalars.append(scalar)
        } else {
            result += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }
    }
}
