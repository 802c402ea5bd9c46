/// Whether text is UTF-8 (Unicode 15, table 3-7) without NUL.
enum UTF8Check {
    static func fault(in text: UnsafeRawBufferPointer) -> MessageScanner.Fault? {
        var index = 0
        let count = text.count
        while index < count {
            if count - index >= 8 {
                let word = text.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                // All ASCII, and no zero byte: the usual id.
                if word & highBits == 0 && (word &- lowBits) & ~word & highBits == 0 {
                    index += 8
                    continue
                }
            }
            let byte = text[index]
            if byte == 0 { return .nul }
            if byte < 0x80 {
                index += 1
                continue
            }
            guard let length = sequenceLength(text, at: index) else { return .utf8 }
            index += length
        }
        return nil
    }

    private static let highBits: UInt64 = 0x8080_8080_8080_8080
    private static let lowBits: UInt64 = 0x0101_0101_0101_0101

    /// The length of the well-formed sequence of 2 to 4 bytes at `index`.
    private static func sequenceLength(_ text: UnsafeRawBufferPointer, at index: Int) -> Int? {
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch text[index] {
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: length = 3
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF1...0xF3: length = 4
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        default: return nil
        }
        guard text.count - index >= length, second.contains(text[index + 1]) else { return nil }
        for offset in 2..<max(2, length) where text[index + offset] & 0xC0 != 0x80 { return nil }
        return length
    }
}
