extension [UInt8] {
    /// What `fill` writes to `count` bytes; it must write all of them. Not for secrets:
    /// the bytes pass through memory that nobody wipes.
    ///
    /// Arrays that are made to be filled in place are not specialized by the compiler:
    /// they look their types up each time, for five times the instructions of a small
    /// allocation and a copy.
    @inlinable
    package init(count: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Void) {
        self = withUnsafeTemporaryAllocation(byteCount: count, alignment: 8) { bytes in
            fill(bytes)
            return Array(UnsafeRawBufferPointer(bytes))
        }
    }
}
