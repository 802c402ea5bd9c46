extension RawSpan {
    /// These bytes as text; nil if they are not UTF-8.
    package var text: String? {
        withUnsafeBytes { bytes in
            bytes.withMemoryRebound(to: UInt8.self) { bytes in
                guard let text = try? UTF8Span(validating: bytes.span) else { return nil }
                return String(copying: text)
            }
        }
    }

    /// Whether these bytes are UTF-8; looks at them where they are, without a copy.
    package var isUTF8: Bool {
        withUnsafeBytes { bytes in
            bytes.withMemoryRebound(to: UInt8.self) { bytes in
                (try? UTF8Span(validating: bytes.span)) != nil
            }
        }
    }
}
