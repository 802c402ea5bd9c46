package import CofferCore

extension Secret {
    /// Ordinary text, for what is not secret; nil if the bytes are not UTF-8.
    package var text: String? { withBytes { $0.text } }

    /// Whether it can stand in a header: visible ASCII and, if they are allowed, blanks.
    package func isHeaderValue(allowsBlanks: Bool = true) -> Bool {
        let least: UInt8 = allowsBlanks ? 0x20 : 0x21
        return withBytes { bytes in
            (0..<bytes.byteCount).allSatisfy { (least...0x7E).contains(bytes.byte(at: $0)) }
        }
    }
}

extension UInt8 {
    /// A letter or digit of ASCII.
    package var isASCIILetterOrDigit: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
}
