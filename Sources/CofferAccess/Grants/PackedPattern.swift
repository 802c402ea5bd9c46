import CofferCore

/// A pattern whose bytes lie in a table's, so that it is copied without a reference.
struct PackedPattern: Sendable {
    private let start: UInt32
    private let prefixBytes: UInt16
    private let suffixBytes: UInt16
    let hasStar: Bool

    init(_ pattern: BoundPattern, _ bytes: inout [UInt8]) {
        start = UInt32(bytes.count)
        prefixBytes = UInt16(pattern.prefix.count)
        suffixBytes = UInt16(pattern.suffix.count)
        hasStar = pattern.hasStar
        bytes += pattern.prefix + pattern.suffix
    }

    /// Whether it is this text, and stands for nothing else.
    @inline(__always)
    func isEqual(to id: RawSpan, _ bytes: [UInt8]) -> Bool {
        !hasStar && id.byteCount == Int(prefixBytes) && id.isEqual(to: bytes, at: Int(start))
    }

    /// - Parameter isHeadKnown: whether the first eight bytes were compared by a ``PatternHead``.
    @inline(__always)
    func matches(_ id: RawSpan, _ bytes: [UInt8], isHeadKnown: Bool = false) -> Bool {
        guard hasStar else { return isEqual(to: id, bytes) }
        let (first, last) = (Int(prefixBytes), Int(suffixBytes))
        guard id.byteCount >= first &+ last else { return false }
        let isPrefixKnown = first == 0 || (isHeadKnown && first <= 8)
        guard isPrefixKnown || id.extracting(first: first).isEqual(to: bytes, at: Int(start)) else { return false }
        return last == 0 || id.extracting(last: last).isEqual(to: bytes, at: Int(start) &+ first)
    }
}

/// The beginning of a key's pattern, by which most ids are turned away.
struct PatternHead: Sendable {
    /// The first eight bytes of the prefix, and which of them there are.
    private let word: UInt64
    private let mask: UInt64
    private let verbs: VerbSet.RawValue
    /// The key's rule, if what begins so needs no further look; else -1.
    let rule: Int16

    init(_ key: RuleTable.Key) {
        let pattern = key.user
        verbs = key.verbs.rawValue
        // Without zeros, which also stand for bytes that an id has not, what begins so is long enough.
        let isAll = pattern.hasStar && pattern.suffix.isEmpty && pattern.prefix.count <= 8 && !pattern.prefix.contains(0)
        rule = isAll && key.connection.isAny ? Int16(key.rule) : -1
        let known = min(8, pattern.prefix.count)
        mask = known == 8 ? .max : (1 << UInt64(8 * known)) - 1
        word = pattern.prefix.lend(Self.word) & mask
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

    /// Whether an id that begins with this word may match, if it is long enough, and one of the verbs is meant.
    @inline(__always)
    func mayMatch(_ id: UInt64, _ verbs: VerbSet.RawValue) -> Bool { (id ^ word) & mask == 0 && self.verbs & verbs != 0 }
}
