import FoundationEssentials

/// A line of the golden vectors in proto/vectors: a name, bytes, and what they mean.
struct Vector: Sendable, CustomStringConvertible {
    let name: String
    let bytes: [UInt8]
    /// For instance `response`.
    let outcome: String
    let fields: [String: String]

    var description: String { name }

    enum Broken: Error { case line(String) }

    static func read(_ file: String) throws -> [Vector] {
        var folder = URL(filePath: #filePath)
        for _ in 0..<6 { folder.deleteLastPathComponent() }
        let data = try Data(contentsOf: folder.appending(path: "proto/vectors/\(file)"))
        return try String(decoding: data, as: UTF8.self).split(separator: "\n")
            .filter { !$0.hasPrefix("#") }.map { try Vector($0) }
    }

    private init(_ line: Substring) throws {
        let tokens = line.split(separator: " ")
        guard tokens.count >= 4, tokens[2] == "=>" else { throw Broken.line(String(line)) }
        name = String(tokens[0])
        outcome = String(tokens[3])
        bytes = try tokens[1].split(separator: "+").flatMap(Self.piece)
        var fields: [String: String] = [:]
        for token in tokens[4...] {
            let parts = token.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { throw Broken.line(String(line)) }
            fields[String(parts[0])] = String(parts[1])
        }
        self.fields = fields
    }

    /// `HEX` or `HEX*TIMES`.
    private static func piece(_ text: Substring) throws -> [UInt8] {
        let parts = text.split(separator: "*")
        let digits = Array(parts[0])
        guard digits.count.isMultiple(of: 2), let times = parts.count == 1 ? 1 : Int(parts[1]) else {
            throw Broken.line(String(text))
        }
        let bytes = try stride(from: 0, to: digits.count, by: 2).map { start in
            guard let byte = UInt8(String(digits[start...start + 1]), radix: 16) else {
                throw Broken.line(String(text))
            }
            return byte
        }
        return (0..<times).flatMap { _ in bytes }
    }
}
