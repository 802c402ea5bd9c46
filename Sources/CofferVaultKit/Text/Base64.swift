package import CofferCore
internal import CofferCrypto

/// Base64 with padding (RFC 4648, section 4), in which services give and take bytes.
package enum Base64 {
    package static func text(_ bytes: [UInt8]) -> String {
        let digits = Base64URL.text(bytes).utf8.map { digit in
            switch digit {
            case UInt8(ascii: "-"): UInt8(ascii: "+")
            case UInt8(ascii: "_"): UInt8(ascii: "/")
            default: digit
            }
        }
        let padding = [UInt8](repeating: UInt8(ascii: "="), count: (4 - digits.count % 4) % 4)
        return String(decoding: digits + padding, as: UTF8.self)
    }

    /// The same of bytes that are secret, in memory that is wiped.
    package static func text(_ bytes: Secret) -> Secret {
        SecretWriter.build(count: (bytes.count + 2) / 3 * 4) { writer in
            bytes.withBytes { bytes in
                for start in stride(from: 0, to: bytes.byteCount, by: 3) {
                    let count = min(3, bytes.byteCount - start)
                    var bits: UInt32 = 0
                    for offset in 0..<3 {
                        bits = bits << 8 | (offset < count ? UInt32(bytes.byte(at: start + offset)) : 0)
                    }
                    for digit in 0..<4 {
                        writer.append(digit > count ? UInt8(ascii: "=") : digits[Int(bits >> UInt32(18 - 6 * digit)) & 63])
                    }
                }
            }
        }
    }

    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// Nil for anything that `text` does not write, and for more than `limit` bytes of text. In memory
    /// that is wiped: another program's bytes may be a secret in clear.
    package static func bytes(_ text: JSONString, limit: Int) -> Secret? {
        text.withBytes { text in
            guard text.byteCount % 4 == 0, text.byteCount <= limit else { return nil }
            var count = text.byteCount
            while count > 0, text.byteCount - count < 2, text.byte(at: count - 1) == UInt8(ascii: "=") { count -= 1 }
            return decode(text, count)
        }
    }

    private static func decode(_ text: RawSpan, _ count: Int) -> Secret? {
        var isWrong = false
        let bytes = SecretWriter.build(count: count * 3 / 4) { writer in
            var (bits, held, written): (UInt32, Int, Int) = (0, 0, 0)
            for offset in 0..<count {
                guard let value = value(text.byte(at: offset)) else { return isWrong = true }
                bits = bits << 6 | value
                held += 6
                guard held >= 8, written < count * 3 / 4 else { continue }
                held -= 8
                written += 1
                writer.append(UInt8(truncatingIfNeeded: bits >> UInt32(held)))
            }
            // Bits that no byte takes are zero.
            isWrong = isWrong || bits & (1 << UInt32(held) - 1) != 0
        }
        return isWrong ? nil : bytes
    }

    private static func value(_ digit: UInt8) -> UInt32? {
        switch digit {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(digit - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(digit - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(digit - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
