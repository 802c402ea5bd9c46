package import CofferCore
internal import CofferVaultKit

/// The names of records among an app's secrets, which are names of environment variables: "CONNECTOR_{user}_{connection}".
///
/// The guide's program joins the ids as they are. So does this for ids of ASCII letters and digits; any other byte of an
/// id becomes `__` and two upper-case hex digits. Behind a single `_` an id begins, so a name is read in one way only: the
/// guide's ("a_b", "c") and ("a", "b_c"), which have one name there, are "CONNECTOR_a__5Fb_c" and "CONNECTOR_a_b__5Fc".
package struct FlyNames: Sendable {
    /// What all names begin with.
    package static let prefix = "CONNECTOR_"

    private static let mark = UInt8(ascii: "_")
    private static let digits = Array("0123456789ABCDEF".utf8)

    package init() {}

    package func name(of key: RecordKey) -> String { userPrefix(key.user) + Self.escape(key.connection) }

    /// What the names of this user's records begin with. Those of others may, too: of "a" and of "a-" for instance.
    func userPrefix(_ user: String) -> String { "\(Self.prefix)\(Self.escape(user))_" }

    /// Whose record this is; nil for a name that this adapter does not give.
    package func key(ofName name: String) -> RecordKey? {
        guard name.utf8.starts(with: Self.prefix.utf8) else { return nil }
        let bytes = Array(name.utf8.dropFirst(Self.prefix.utf8.count))
        guard let border = Self.border(bytes), let user = Self.unescape(bytes[..<border]),
            let connection = Self.unescape(bytes[(border + 1)...]),
            let key = try? RecordKey(user: user, connection: connection)
        else { return nil }
        return key
    }

    /// The `_` that stands for itself: not before another one, unless that one begins an escape.
    private static func border(_ bytes: [UInt8]) -> Int? {
        var offset = 0
        while offset < bytes.count {
            guard bytes[offset] == mark else {
                offset += 1
                continue
            }
            guard offset + 1 < bytes.count, bytes[offset + 1] == mark, offset + 2 < bytes.count, bytes[offset + 2] != mark
            else { return offset }
            offset += 4
        }
        return nil
    }

    private static func escape(_ id: String) -> String {
        var name: [UInt8] = []
        for byte in id.utf8 {
            if byte.isASCIILetterOrDigit {
                name.append(byte)
            } else {
                name += [mark, mark, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: name, as: UTF8.self)
    }

    /// Exactly what `escape` gives.
    private static func unescape(_ bytes: ArraySlice<UInt8>) -> String? {
        var id: [UInt8] = []
        var rest = bytes
        while let byte = rest.popFirst() {
            if byte.isASCIILetterOrDigit {
                id.append(byte)
                continue
            }
            guard byte == mark, rest.popFirst() == mark, let high = rest.popFirst().flatMap(value),
                let low = rest.popFirst().flatMap(value)
            else { return nil }
            let escaped = high << 4 | low
            guard !escaped.isASCIILetterOrDigit else { return nil }
            id.append(escaped)
        }
        return String(validating: id, as: UTF8.self)
    }

    private static func value(_ digit: UInt8) -> UInt8? { digits.firstIndex(of: digit).map { UInt8($0) } }
}
