/// A place in untrusted bytes, from which big-endian fields are read front to
/// back without pointers.
///
/// Pass the same bytes to every call. A read returns nil, and consumes nothing,
/// when too few bytes are left.
package struct ByteCursor: Sendable {
    /// How many bytes were read.
    package private(set) var position = 0

    package init() {}

    package func remaining(in bytes: RawSpan) -> Int { bytes.byteCount - position }

    package mutating func integer<T: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
        _ type: T.Type = T.self, in bytes: RawSpan
    ) -> T? {
        guard let piece = take(MemoryLayout<T>.size, in: bytes) else { return nil }
        return T(bigEndian: bytes.unsafeLoadUnaligned(fromByteOffset: piece.lowerBound, as: T.self))
    }

    /// Text of `count` bytes; nil also when it is not UTF-8.
    package mutating func text(count: Int, in bytes: RawSpan) -> String? {
        let start = position
        guard let piece = take(count, in: bytes) else { return nil }
        guard let text = bytes.extracting(piece).text else {
            position = start
            return nil
        }
        return text
    }

    /// `count` bytes, copied into memory that is wiped.
    package mutating func secret(count: Int, in bytes: RawSpan) -> Secret? {
        guard let piece = take(count, in: bytes) else { return nil }
        return Secret(copying: bytes.extracting(piece))
    }

    package mutating func array(count: Int, in bytes: RawSpan) -> [UInt8]? {
        guard let piece = take(count, in: bytes) else { return nil }
        return bytes.extracting(piece).withUnsafeBytes { [UInt8]($0) }
    }

    private mutating func take(_ count: Int, in bytes: RawSpan) -> Range<Int>? {
        guard count >= 0, remaining(in: bytes) >= count else { return nil }
        defer { position += count }
        return position..<position + count
    }
}
