import CofferCore
import CofferCrypto

/// Tells what a text out of a vault, or one that is to go into it, is. Looks at
/// the bytes where they lie: they may be a credential in the clear.
enum CredentialText {
    /// The format that a reader takes `text` for; nil if it is none.
    static func format(of text: RawSpan) -> RecordFormat? {
        if isSealed(text) { return .sealed }
        if LegacyFormat.recognises(text) { return .legacyAES }
        return isObject(text) && text.isUTF8 ? .json : nil
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
}
