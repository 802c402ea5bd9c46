package import CofferCore
internal import CofferVaultKit

/// The keys of records in a namespace: "{prefix}:{user}:{connection}".
///
/// The TypeScript code joins the ids as they are. So does this, but for what could not be told apart then or is no
/// legal part of a key: a colon, white space other than a blank and characters that do not show become `%` and two hex digits for
/// each byte, and so does a percent sign that looks like the beginning of such an escape.
package struct CloudflareKVNames: Sendable {
    static let maximumBytes = 512
    private static let digits = Array("0123456789ABCDEF".utf8)
    private static let percent = UInt8(ascii: "%")
    private static let colon = UInt8(ascii: ":")

    let prefix: String

    package init(prefix: String) { self.prefix = prefix }

    /// May be longer than `maximumBytes`: the daemon asks for no record of such a name.
    package func name(of key: RecordKey) -> String { userPrefix(key.user) + Self.escape(key.connection) }

    /// What the names of this user's records begin with, and no others'.
    func userPrefix(_ user: String) -> String { "\(allPrefix)\(Self.escape(user)):" }

    /// What all names begin with.
    var allPrefix: String { prefix + ":" }

    /// Whose record this is; nil for a name that this adapter does not give.
    package func key(ofName name: String) -> RecordKey? {
        guard name.utf8.starts(with: allPrefix.utf8) else { return nil }
        let ids = Array(name.utf8.dropFirst(allPrefix.utf8.count))
        guard let middle = ids.firstIndex(of: Self.colon), let user = Self.unescape(Array(ids[..<middle])),
            let connection = Self.unescape(Array(ids[(middle + 1)...])),
            let key = try? RecordKey(user: user, connection: connection), self.name(of: key).hasSameBytes(as: name)
        else { return nil }
        return key
    }

    static func escape(_ id: String) -> String {
        guard id.utf8.contains(where: { $0 >= 0x7F || $0 < 0x20 || $0 == percent || $0 == colon }) else { return id }
        let bytes = Array(id.utf8)
        var escaped: [UInt8] = []
        var offset = 0
        for scalar in id.unicodeScalars {
            let count = UTF8.width(scalar)
            let isEscape = scalar == "%" && isDigit(bytes, offset + 1) && isDigit(bytes, offset + 2)
            if isPlain(scalar) && !isEscape {
                escaped += bytes[offset..<offset + count]
            } else {
                for byte in bytes[offset..<offset + count] {
                    escaped += [percent, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
                }
            }
            offset += count
        }
        return String(decoding: escaped, as: UTF8.self)
    }

    private static func unescape(_ bytes: [UInt8]) -> String? {
        guard bytes.contains(percent) else { return String(validating: bytes, as: UTF8.self) }
        var id: [UInt8] = []
        var offset = 0
        while offset < bytes.count {
            if bytes[offset] == percent, isDigit(bytes, offset + 1), isDigit(bytes, offset + 2) {
                id.append(value(bytes[offset + 1]) << 4 | value(bytes[offset + 2]))
                offset += 3
            } else {
                id.append(bytes[offset])
                offset += 1
            }
        }
        return String(validating: id, as: UTF8.self)
    }

    private static func isDigit(_ bytes: [UInt8], _ offset: Int) -> Bool {
        offset < bytes.count && digits.contains(bytes[offset])
    }

    private static func value(_ digit: UInt8) -> UInt8 { UInt8(digits.firstIndex(of: digit) ?? 0) }

    /// Cloudflare allows what is printable. A fixed list: one that grew with Unicode would rename records.
    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x3A, 0x00...0x1F, 0x7F...0xA0, 0xAD, 0x061C, 0x1680, 0x180E, 0x2000...0x200F, 0x2028...0x202F,
            0x205F...0x206F, 0x3000, 0xFE00...0xFE0F, 0xFEFF, 0xFFF0...0xFFFF, 0xE0000...0xE0FFF:
            false
        default: true
        }
    }
}
