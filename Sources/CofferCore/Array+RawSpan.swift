extension [UInt8] {
    /// Lends the bytes, to modules that touch no raw memory.
    @inlinable
    package func lend<Result>(_ body: (RawSpan) -> Result) -> Result { withUnsafeBytes { body($0.bytes) } }
}
