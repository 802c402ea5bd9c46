/// A text that is told from others by its UTF-8, for sets and keys of dictionaries. To `String`, texts that Unicode holds
/// equivalent are one text; names of records that differ in a byte are two names.
package struct ByteText: Hashable, Sendable {
    package let text: String

    package init(_ text: String) { self.text = text }

    package static func == (a: Self, b: Self) -> Bool { a.text.hasSameBytes(as: b.text) }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(text.utf8.count)
        text.utf8.forEach { hasher.combine($0) }
    }
}
