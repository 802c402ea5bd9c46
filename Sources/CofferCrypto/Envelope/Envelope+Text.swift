internal import CofferCore

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
        var isWrong = false
        let bytes = [UInt8](count: encoded.count * 3 / 4) { output in
            encoded.withUnsafeBufferPointer { isWrong = !decode($0, to: output) }
        }
        guard !isWrong else { throw .doesNotOpen }
        return bytes
    }

    /// Four digits to three bytes at a time; false for what `text(_:)` does not write.
    private static func decode(
        _ digits: UnsafeBufferPointer<UInt8>, to output: UnsafeMutableRawBufferPointer
    ) -> Bool {
        digitValues.withUnsafeBufferPointer { values in
            // What is no digit has the value 255: it shows in the end.
            var seen: UInt8 = 0
            func bits(at start: Int, count: Int) -> UInt32 {
                var bits: UInt32 = 0
                for index in 0..<4 {
                    let value = index < count ? values[Int(digits[start + index])] : 0
                    seen |= value
                    bits = bits << 6 | UInt32(value & 63)
                }
                return bits
            }
            let whole = digits.count / 4
            for quad in 0..<whole {
                let bits = bits(at: 4 * quad, count: 4)
                output[3 * quad] = UInt8(truncatingIfNeeded: bits >> 16)
                output[3 * quad + 1] = UInt8(truncatingIfNeeded: bits >> 8)
                output[3 * quad + 2] = UInt8(truncatingIfNeeded: bits)
            }
            let left = digits.count - 4 * whole
            var rest = bits(at: 4 * whole, count: left) << 8
            for index in 3 * whole..<output.count {
                output[index] = UInt8(rest >> 24)
                rest <<= 8
            }
            return seen < 64 && rest == 0
        }
    }

    /// What each byte stands for; 255 = it is no digit.
    private static let digitValues: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 256)
        for (value, digit) in digits.enumerated() { values[Int(digit)] = UInt8(value) }
        return values
    }()
}
