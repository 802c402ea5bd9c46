internal import CofferCore

/// Bytes as text: base64url without padding (RFC 4648, section 5).
package enum Base64URL {
    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    package static func text(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        append(bytes, to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    static func append(_ bytes: [UInt8], to text: inout [UInt8]) {
        text.reserveCapacity(text.count + (bytes.count * 4 + 2) / 3)
        var bits: UInt32 = 0
        var bitCount = 0
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            bitCount += 8
            while bitCount >= 6 {
                bitCount -= 6
                text.append(digits[Int(bits >> UInt32(bitCount)) & 63])
            }
        }
        if bitCount > 0 { text.append(digits[Int(bits << UInt32(6 - bitCount)) & 63]) }
    }

    /// Reads exactly what `text` writes; nil for anything else: another character, padding,
    /// white space, unused bits that are not zero.
    package static func bytes(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        guard text.count % 4 != 1 else { return nil }
        var isWrong = false
        let bytes = [UInt8](count: text.count * 3 / 4) { output in
            text.withUnsafeBufferPointer { isWrong = !decode($0, to: output) }
        }
        return isWrong ? nil : bytes
    }

    /// Four digits to three bytes at a time; false for what `text` does not write.
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
