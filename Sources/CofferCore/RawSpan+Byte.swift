extension RawSpan {
    /// The byte at `offset`; traps beyond the end.
    @inlinable @inline(__always)
    package func byte(at offset: Int) -> UInt8 { unsafeLoad(fromByteOffset: offset, as: UInt8.self) }

    /// The eight bytes from `offset` on, the first one lowest; traps beyond the end.
    @inlinable @inline(__always)
    package func littleEndianWord(at offset: Int) -> UInt64 {
        UInt64(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
}
