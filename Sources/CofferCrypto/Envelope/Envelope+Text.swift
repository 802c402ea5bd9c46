extension Envelope {
    /// What the text form of a sealed record starts with.
    package static let textPrefix = "coffer1:"

    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    /// The text form, for vaults that keep text only: `coffer1:` and the bytes in
    /// base64url without padding (RFC 4648, section 5).
    package static func text(_ sealed: [UInt8]) -> String {
        var text = Array(textPrefix.utf8)
        text.reserveCapacity(text.count + (sealed.count * 4 + 2) / 3)
        var bits: UInt32 = 0
        var bitCount = 0
        for byte in sealed {
            bits = bits << 8 | UInt32(byte)
            bitCount += 8
            while bitCount >= 6 {
                bitCount -= 6
                text.append(digits[Int(bits >> UInt32(bitCount)) & 63])
            }
        }
        if bitCount > 0 { text.append(digits[Int(bits << UInt32(6 - bitCount)) & 63]) }
        return String(decoding: text, as: UTF8.self)
    }

    /// Whether `text` claims to be the text form.
    package static func isText(_ text: [UInt8]) -> Bool { text.starts(with: textPrefix.utf8) }

    /// Reads exactly what ``text(_:)`` writes.
    ///
    /// - Throws: `.doesNotOpen` for anything else: another character, padding, white
    ///   space, unused bits that are not zero.
    package static func bytes(ofText text: [UInt8]) throws(CryptoError) -> [UInt8] {
        let encoded = text.dropFirst(textPrefix.utf8.count)
        guard isText(text), encoded.count <= (maximumBytes * 4 + 2) / 3, encoded.count % 4 != 1 else {
            throw .doesNotOpen
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(encoded.count * 3 / 4)
        var bits: UInt32 = 0
        var bitCount = 0
        for character in encoded {
            guard let value = value(ofDigit: character) else { throw .doesNotOpen }
            bits = bits << 6 | value
            bitCount += 6
            if bitCount >= 8 {
                bitCount -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(bitCount)))
            }
        }
        guard bits & (1 << UInt32(bitCount) - 1) == 0 else { throw .doesNotOpen }
        return bytes
    }

    private static func value(ofDigit character: UInt8) -> UInt32? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "-"): 62
        case UInt8(ascii: "_"): 63
        default: nil
        }
    }
}
