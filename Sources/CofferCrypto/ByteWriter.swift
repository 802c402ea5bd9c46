/// Writes public bytes one behind the other into memory that its maker lends.
/// Writing more than there is room for traps.
struct ByteWriter: ~Copyable {
    private let memory: UnsafeMutableRawBufferPointer
    private(set) var count = 0

    init(_ memory: UnsafeMutableRawBufferPointer) { self.memory = memory }

    /// What has been written.
    var written: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(UnsafeMutableRawBufferPointer(rebasing: memory[..<count]))
    }

    @inline(__always)
    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count <= memory.count - count, "ByteWriter: no room")
        guard let source = bytes.baseAddress else { return }
        (memory.baseAddress! + count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }

    mutating func append(_ bytes: [UInt8]) { bytes.withUnsafeBytes { append($0) } }

    /// An integer, most significant byte first.
    @inline(__always)
    mutating func append<T: FixedWidthInteger & UnsignedInteger>(bigEndian value: T) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append($0) }
    }

    // MARK: Lists

    /// How many bytes of a list go before each part.
    static let partOverheadBytes = 4

    /// A part of a list: behind its length as a 4-byte big-endian number, so that two
    /// different lists never give the same bytes.
    mutating func append(part: [UInt8]) {
        append(bigEndian: UInt32(part.count))
        append(part)
    }

    mutating func append(part: String) {
        var part = part
        part.withUTF8 {
            append(bigEndian: UInt32($0.count))
            append(UnsafeRawBufferPointer($0))
        }
    }
}
