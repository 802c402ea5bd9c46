package import CofferCore

/// A pattern for ids, in which `*` stands for any run of bytes, an empty one too;
/// every other byte stands for itself. Bytes, not characters: ids that look
/// alike but are written differently are different.
///
/// Matching takes time in proportion to the lengths of id and pattern, whatever
/// they hold: each piece between two stars is looked for once, by
/// Knuth-Morris-Pratt, and the first place where it is found is the best one.
package struct NamePattern: Hashable, Sendable {
    /// The longest pattern, in bytes of UTF-8.
    package static let maximumBytes = 512
    private static let star = UInt8(ascii: "*")

    /// As it was written.
    package let text: String
    /// What the id starts with; the whole id if there is no star.
    private let prefix: [UInt8]
    private let pieces: [Piece]
    /// What the id ends with; nil if there is no star.
    private let suffix: [UInt8]?

    /// - Throws: INVALID_ARGUMENT for a pattern that is empty, too long or has a
    ///   control character.
    package init(_ text: String) throws(Failure) {
        let bytes = Array(text.utf8)
        guard (1...Self.maximumBytes).contains(bytes.count) else {
            throw .badField("pattern", "expected 1 to \(Self.maximumBytes) bytes, got \(bytes.count)")
        }
        guard !bytes.containsControlCharacter else {
            throw .badField("pattern", "must not hold control characters (U+0000 to U+001F, U+007F to U+009F)")
        }
        var parts = bytes.split(separator: Self.star, omittingEmptySubsequences: false).map { Array($0) }
        self.text = text
        prefix = parts.removeFirst()
        suffix = parts.popLast()
        pieces = parts.filter { !$0.isEmpty }.map(Piece.init)
    }

    /// Whether it is `*`: every id matches.
    package var matchesAll: Bool { prefix.isEmpty && suffix == [] && pieces.isEmpty }

    package func matches(_ id: String) -> Bool { matches(id.utf8Span.span) }

    private func matches(_ id: Span<UInt8>) -> Bool {
        guard let suffix else { return id.count == prefix.count && has(id, prefix, at: 0) }
        guard id.count >= prefix.count + suffix.count, has(id, prefix, at: 0),
            has(id, suffix, at: id.count - suffix.count)
        else { return false }
        var place = prefix.count
        for piece in pieces {
            guard let end = piece.end(in: id, from: place, to: id.count - suffix.count) else { return false }
            place = end
        }
        return true
    }

    private func has(_ id: Span<UInt8>, _ part: [UInt8], at start: Int) -> Bool {
        part.indices.allSatisfy { id[start + $0] == part[$0] }
    }

    /// What stands between two stars.
    private struct Piece: Hashable, Sendable {
        let bytes: [UInt8]
        /// For each place, how long the longest start of the piece is that ends
        /// there too, other than the whole.
        let borders: [Int]

        init(_ bytes: [UInt8]) {
            self.bytes = bytes
            var borders = [0]
            for index in bytes.indices.dropFirst() {
                borders.append(Self.extend(borders[index - 1], by: bytes[index], bytes, borders))
            }
            self.borders = borders
        }

        /// How much of the piece is there after one byte more.
        private static func extend(_ matched: Int, by byte: UInt8, _ bytes: [UInt8], _ borders: [Int]) -> Int {
            var matched = matched
            while matched > 0 && bytes[matched] != byte { matched = borders[matched - 1] }
            return bytes[matched] == byte ? matched + 1 : 0
        }

        /// Where the first occurrence within `start..<end` ends.
        func end(in id: Span<UInt8>, from start: Int, to end: Int) -> Int? {
            var matched = 0
            var place = start
            while place < end {
                matched = Self.extend(matched, by: id[place], bytes, borders)
                place += 1
                if matched == bytes.count { return place }
            }
            return nil
        }
    }
}
