import CofferCore
import CofferCrypto

/// Tells what a text out of a vault, or one that is to go into it, is. Looks at
/// the bytes where they lie: they may be a credential in the clear.
enum CredentialText {
    /// The format that a reader takes `text` for; nil if it is none.
    static func format(of text: RawSpan) -> RecordFormat? {
        if isSealed(text) { return .sealed }
        if LegacyFormat.recognises(text) { return .legacyAES }
        return isObject(text) && isUTF8(text) ? .json : nil
    }

    /// Whether it claims to be the text form of an envelope.
    private static func isSealed(_ text: RawSpan) -> Bool {
        let prefix = Array(Envelope.textPrefix.utf8)
        return text.byteCount >= prefix.count && text.extracting(first: prefix.count).isEqual(to: prefix)
    }

    /// Whether the first and the last byte that are not JSON's white space are
    /// braces. Vaults that keep JSON check the rest.
    private static func isObject(_ text: RawSpan) -> Bool {
        let bytes = 0..<text.byteCount
        guard let first = bytes.first(where: { !isSpace(text.byte(at: $0)) }),
            let last = bytes.last(where: { !isSpace(text.byte(at: $0)) })
        else { return false }
        return first < last && text.byte(at: first) == UInt8(ascii: "{") && text.byte(at: last) == UInt8(ascii: "}")
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D
    }

    /// Whether the bytes are well-formed UTF-8 (Unicode 15, table 3-7).
    static func isUTF8(_ text: RawSpan) -> Bool {
        var index = 0
        while index < text.byteCount {
            guard let form = form(of: text.byte(at: index)), text.byteCount - index > form.tail else { return false }
            for offset in 0..<form.tail {
                let allowed = offset == 0 ? form.second : 0x80...0xBF
                guard allowed.contains(text.byte(at: index + 1 + offset)) else { return false }
            }
            index += 1 + form.tail
        }
        return true
    }

    /// How many bytes follow the first one of a character, and what the second may be.
    private static func form(of first: UInt8) -> (tail: Int, second: ClosedRange<UInt8>)? {
        switch first {
        case 0x00...0x7F: (0, 0x80...0xBF)
        case 0xC2...0xDF: (1, 0x80...0xBF)
        case 0xE0: (2, 0xA0...0xBF)
        case 0xED: (2, 0x80...0x9F)
        case 0xE1...0xEF: (2, 0x80...0xBF)
        case 0xF0: (3, 0x90...0xBF)
        case 0xF1...0xF3: (3, 0x80...0xBF)
        case 0xF4: (3, 0x80...0x8F)
        default: nil
        }
    }
}
