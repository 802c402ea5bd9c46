extension RawSpan {
    /// The byte at `offset`; traps beyond the end.
    @inlinable @inline(__always)
    package func byte(at offset: Int) -> UInt8 { unsafeLoad(fromByteOffset: offset, as: UInt8.self) }
}
