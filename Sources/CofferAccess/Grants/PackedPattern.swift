import CofferCore

/// A pattern whose bytes lie in a table's, so that it is copied without a reference.
struct PackedPattern: Sendable {
    private let start: UInt32
    private let prefixBytes: UInt16
    private let suffixBytes: UInt16
    private let hasStar: Bool
    /// The first eight bytes of the prefix, and which of them there are.
    private let firstWord: UInt64
    private let mask: UInt64

    init(_ pattern: BoundPattern, _ bytes: inout [UInt8]) {
        start = UInt32(bytes.count)
        prefixBytes = UInt16(pattern.prefix.count)
        suffixBytes = UInt16(pattern.suffix.count)
        hasStar = pattern.hasStar
        bytes += pattern.prefix + pattern.suffix
        let known = min(8, pattern.prefix.count)
        mask = known == 8 ? .max : (1 << UInt64(8 * known)) - 1
        firstWord = pattern.prefix.lend(Self.word)
    }

    /// The first eight bytes of an id; zeros for those that it has not.
    @inline(__always)
    static func word(_ id: RawSpan) -> UInt64 {
        if id.byteCount >= 8 { return id.littleEndianWord(at: 0) }
        var word: UInt64 = 0
        var offset = id.byteCount
        while offset > 0 {
            offset &-= 1
            word = word << 8 | UInt64(id.byte(at: offset))
        }
        return word
    }

    /// Whether an id that begins with this word is worth a comparison.
    @inline(__always)
    func mayMatch(_ word: UInt64) -> Bool { (word ^ firstWord) & mask == 0 }

    /// Whether it is this text, and stands for nothing else.
    @inline(__always)
    func isEqual(to id: RawSpan, _ bytes: [UInt8]) -> Bool {
        !hasStar && id.byteCount == Int(prefixBytes) && id.isEqual(to: bytes, at: Int(start))
    }

    @inline(__always)
    func matches(_ id: RawSpan, _ bytes: [UInt8]) -> Bool {
        guard hasStar else { return isEqual(to: id, bytes) }
        let (first, last) = (Int(prefixBytes), Int(suffixBytes))
        return id.byteCount >= first &+ last && id.extracting(first: first).isEqual(to: bytes, at: Int(start))
            && id.extracting(last: last).isEqual(to: bytes, at: Int(start) &+ first)
    }
}
