/// Byte strings one after another, each behind its length as a 4-byte big-endian
/// number: two different lists never give the same bytes.
struct LengthPrefixedList {
    private(set) var bytes: [UInt8] = []

    /// A list of one, with room for what usually follows.
    init(_ first: [UInt8]) {
        bytes.reserveCapacity(192)
        append(first)
    }

    mutating func append(_ part: [UInt8]) {
        bytes.append(bigEndian: UInt32(part.count))
        bytes.append(contentsOf: part)
    }

    mutating func append(_ part: String) {
        bytes.append(bigEndian: UInt32(part.utf8.count))
        bytes.append(contentsOf: part.utf8)
    }
}

extension [UInt8] {
    /// Appends an integer, most significant byte first.
    @inline(__always)
    mutating func append<T: FixedWidthInteger & UnsignedInteger>(bigEndian value: T) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }

    /// Reads an integer, most significant byte first; the caller has checked the range.
    func bigEndian<T: FixedWidthInteger & UnsignedInteger>(at offset: Int, as _: T.Type = T.self) -> T {
        self[offset..<offset + MemoryLayout<T>.size].reduce(0) { $0 << 8 | T($1) }
    }
}
