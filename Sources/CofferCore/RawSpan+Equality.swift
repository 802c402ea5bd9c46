import Glibc

extension RawSpan {
    /// Whether both hold the same bytes. Not for secrets: its time depends on them.
    @inline(__always)
    package func isEqual(to other: [UInt8]) -> Bool {
        guard byteCount == other.count else { return false }
        return withUnsafeBytes { a in
            other.withUnsafeBytes { b in
                a.count == 0 || memcmp(a.baseAddress!, b.baseAddress!, a.count) == 0
            }
        }
    }
}
