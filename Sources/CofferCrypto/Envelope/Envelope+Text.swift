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
        let values = digitValues
        var (bits, bitCount) = (UInt32(0), UInt32(0))
        let bytes = try [UInt8](capacity: encoded.count * 3 / 4) { output throws(CryptoError) in
            for character in encoded {
                let value = values[Int(character)]
                guard value < 64 else { throw .doesNotOpen }
                bits = bits << 6 | UInt32(value)
                bitCount += 6
                if bitCount >= 8 {
                    bitCount -= 8
                    output.append(UInt8(truncatingIfNeeded: bits >> bitCount))
                }
            }
        }
        guard bits & (1 << bitCount - 1) == 0 else { throw .doesNotOpen }
        return bytes
    }

    /// What each byte stands for; 255 = it is no digit.
    private static let digitValues: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 256)
        for (value, digit) in digits.enumerated() { values[Int(digit)] = UInt8(value) }
        return values
    }()
}
