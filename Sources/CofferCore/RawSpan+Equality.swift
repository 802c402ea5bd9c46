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

    /// Whether these words stand somewhere in it. Not for secrets: its time depends on them.
    ///
    /// - Parameters:
    ///   - words: at least one byte.
    ///   - ignoringCase: of ASCII letters; `words` are in lower case then.
    package func contains(_ words: String, ignoringCase: Bool = false) -> Bool {
        let words = Array(words.utf8)
        guard byteCount >= words.count else { return false }
        for start in 0...byteCount - words.count {
            var matched = 0
            while matched < words.count {
                let byte = byte(at: start + matched)
                let isUpper = ignoringCase && (0x41...0x5a).contains(byte)
                guard (isUpper ? byte | 0x20 : byte) == words[matched] else { break }
                matched += 1
            }
            if matched == words.count { return true }
        }
        return false
    }
}
