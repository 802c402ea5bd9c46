internal import CofferCore
internal import CofferVaultKit

/// Small readers and writers of text that the protocols share.
enum AWSText {
    private static let lowerDigits = Array("0123456789abcdef".utf8)
    private static let upperDigits = Array("0123456789ABCDEF".utf8)

    static func hex(_ bytes: [UInt8]) -> String {
        String(
            decoding: bytes.flatMap { [lowerDigits[Int($0 >> 4)], lowerDigits[Int($0 & 15)]] }, as: UTF8.self)
    }

    static func secret(_ text: String) -> Secret {
        SecretWriter.build(count: text.utf8.count) { $0.append(text) }
    }

    /// Ordinary text; nil if the bytes are not UTF-8. For what is not secret.
    static func text(_ secret: Secret) -> String? {
        secret.withBytes { bytes in
            var cursor = ByteCursor()
            return cursor.text(count: bytes.byteCount, in: bytes)
        }
    }

    static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }

    /// Whether it can stand in a header: visible ASCII and inner spaces.
    static func isHeaderValue(_ secret: Secret) -> Bool {
        secret.withBytes { bytes in
            (0..<bytes.byteCount).allSatisfy { (0x20...0x7E).contains(bytes.byte(at: $0)) }
        }
    }

    /// The pairs as `application/x-www-form-urlencoded`.
    static func form(_ pairs: [(name: String, value: Secret)]) -> Secret {
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

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        isLetterOrDigit(byte) || "-._~".utf8.contains(byte)
    }

    private static func encodedCount(_ secret: Secret) -> Int {
        secret.withBytes { bytes in
            (0..<bytes.byteCount).reduce(0) { $0 + (isUnreserved(bytes.byte(at: $1)) ? 1 : 3) }
        }
    }

    private static func encode(_ byte: UInt8, to writer: inout SecretWriter) {
        if isUnreserved(byte) { return writer.append(byte) }
        writer.append(UInt8(ascii: "%"))
        writer.append(upperDigits[Int(byte >> 4)])
        writer.append(upperDigits[Int(byte & 15)])
    }
}
