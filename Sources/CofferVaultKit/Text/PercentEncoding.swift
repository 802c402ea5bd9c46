package import CofferCore

/// Text in URLs and forms (RFC 3986): what has no meaning of its own there stays, every other byte becomes
/// `%` and two upper-case hex digits.
package enum PercentEncoding {
    private static let digits = Array("0123456789ABCDEF".utf8)

    /// - Parameter kept: what stays beside letters, digits and `-._~`.
    package static func text(_ text: String, keeping kept: String = "") -> String {
        var encoded: [UInt8] = []
        for byte in text.utf8 {
            if isUnreserved(byte) || kept.utf8.contains(byte) {
                encoded.append(byte)
            } else {
                encoded += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: encoded, as: UTF8.self)
    }

    /// A path without its outer slashes; slashes inside stay.
    package static func path(_ text: String) -> String { self.text(text, keeping: "/=") }

    /// The pairs as `application/x-www-form-urlencoded`, in memory that is wiped.
    package static func form(_ pairs: [(name: String, value: Secret)]) -> Secret {
        let count = pairs.reduce(max(0, pairs.count - 1)) { $0 + $1.name.utf8.count + 1 + encodedCount($1.value) }
        return SecretWriter.build(count: count) { writer in
            for (index, pair) in pairs.enumerated() {
                if index > 0 { writer.append("&") }
                writer.append(pair.name + "=")
                pair.value.withBytes { bytes in
                    for offset in 0..<bytes.byteCount { encode(bytes.byte(at: offset), to: &writer) }
                }
            }
        }
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool { byte.isASCIILetterOrDigit || "-._~".utf8.contains(byte) }

    private static func encodedCount(_ secret: Secret) -> Int {
        secret.withBytes { bytes in
            (0..<bytes.byteCount).reduce(0) { $0 + (isUnreserved(bytes.byte(at: $1)) ? 1 : 3) }
        }
    }

    private static func encode(_ byte: UInt8, to writer: inout SecretWriter) {
        if isUnreserved(byte) { return writer.append(byte) }
        writer.append(UInt8(ascii: "%"))
        writer.append(digits[Int(byte >> 4)])
        writer.append(digits[Int(byte & 15)])
    }
}
