extension RawSpan {
    /// Whether these bytes are UTF-8; looks at them where they are, without a copy.
    package var isUTF8: Bool {
        withUnsafeBytes { bytes in
            bytes.withMemoryRebound(to: UInt8.self) { bytes in
                (try? UTF8Span(validating: bytes.span)) != nil
            }
        }
    }
}
