package import CofferCore

/// The bytes of a JSON string, as a part of the text that it stands in if it has no
/// escapes: that text stays in memory for as long.
package struct JSONString: Sendable {
    private let text: Secret
    private let start: UInt32
    private let end: UInt32

    package init(_ text: Secret) {
        self.text = text
        (start, end) = (0, UInt32(text.count))
    }

    /// The part of `text` at `range`.
    package init(_ text: Secret, _ range: Range<Int>) {
        self.text = text
        (start, end) = (UInt32(range.lowerBound), UInt32(range.upperBound))
    }

    private var range: Range<Int> { Int(start)..<Int(end) }

    package func withBytes<R>(_ body: (RawSpan) -> R) -> R {
        text.withBytes { body($0.extracting(range)) }
    }

    /// Without the text around it.
    package var secret: Secret {
        range.count == text.count ? text : text.withBytes { Secret(copying: $0.extracting(range)) }
    }

    /// As ordinary text: for what is not secret. Nil if it is not UTF-8.
    package var string: String? { withBytes { $0.text } }

    /// As ordinary bytes: for what is not secret.
    package var bytes: [UInt8] {
        withBytes { bytes in
            var cursor = ByteCursor()
            return cursor.array(count: bytes.byteCount, in: bytes) ?? []
        }
    }

    package func begins(with prefix: [UInt8]) -> Bool {
        withBytes { $0.byteCount >= prefix.count && $0.extracting(0..<prefix.count).isEqual(to: prefix) }
    }
}
