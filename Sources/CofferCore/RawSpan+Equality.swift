import Glibc

extension RawSpan {
    /// Whether both hold the same bytes. Not for secrets: its time depends on them.
    @inline(__always)
    package func isEqual(to other: [UInt8]) -> Bool { byteCount == other.count && isEqual(to: other, at: 0) }

    /// Whether `other` holds the same bytes from `start` on. Not for secrets: its
    /// time depends on them. Traps if `other` ends before.
    @inline(__always)
    package func isEqual(to other: [UInt8], at start: Int) -> Bool {
        precondition(start >= 0 && byteCount <= other.count - start)
        return withUnsafeBytes { a in
            other.withUnsafeBytes { b in
                a.count == 0 || memcmp(a.baseAddress!, b.baseAddress! + start, a.count) == 0
            }
        }
    }
}
