import CofferCore

/// Where a listing goes on, as text: the vault's cursor in hex.
enum PageToken {
    static func encode(_ cursor: [UInt8]?) -> String {
        guard let cursor else { return "" }
        let digits = Array("0123456789abcdef".unicodeScalars)
        var text = ""
        for byte in cursor {
            text.unicodeScalars.append(digits[Int(byte >> 4)])
            text.unicodeScalars.append(digits[Int(byte & 15)])
        }
        return text
    }

    /// Nil for the empty token.
    static func decode(_ token: String) throws(Failure) -> [UInt8]? {
        guard !token.isEmpty else { return nil }
        guard token.utf8.count <= 512, token.utf8.count % 2 == 0 else { throw malformed }
        var cursor: [UInt8] = []
        var high: UInt8?
        for byte in token.utf8 {
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            default: throw malformed
            }
            if let first = high {
                cursor.append(first << 4 | digit)
                high = nil
            } else {
                high = digit
            }
        }
        return cursor
    }

    private static let malformed = Failure.badField(
        "page_token", "expected the next_page_token of a response, got something else")
}
