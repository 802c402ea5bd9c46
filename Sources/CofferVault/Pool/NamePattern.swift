package import CofferCore

/// A pattern for ids, in which `*` stands for any run of bytes, an empty one too;
/// every other byte stands for itself. Bytes, not characters: ids that look
/// alike but are written differently are different.
///
/// Matching takes time in proportion to the length of the id times that of the
/// pattern, at most.
package struct NamePattern: Hashable, Sendable {
    /// The longest pattern, in bytes of UTF-8.
    package static let maximumBytes = 512
    private static let star = UInt8(ascii: "*")

    /// As it was written.
    package let text: String
    /// Whether it is `*`: every id matches.
    package let matchesAll: Bool

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
        self.text = text
        matchesAll = bytes.allSatisfy { $0 == Self.star }
    }

    package func matches(_ id: String) -> Bool { Self.matches(text.utf8Span.span, id.utf8Span.span) }

    /// Greedy: each star takes as little as what follows it up to the next star allows. What
    /// a star left to the next can be had by that one too, so only the last star is tried again.
    private static func matches(_ pattern: Span<UInt8>, _ id: Span<UInt8>) -> Bool {
        var (place, taken) = (0, 0)
        // Behind the last star, and how much of the id it and all before it took.
        var retry: (place: Int, taken: Int)?
        while taken < id.count {
            if place < pattern.count && pattern[place] == star {
                place += 1
                retry = (place, taken)
            } else if place < pattern.count && pattern[place] == id[taken] {
                place += 1
                taken += 1
            } else if let last = retry {
                retry = (last.place, last.taken + 1)
                (place, taken) = (last.place, last.taken + 1)
            } else {
                return false
            }
        }
        while place < pattern.count && pattern[place] == star { place += 1 }
        return place == pattern.count
    }
}
