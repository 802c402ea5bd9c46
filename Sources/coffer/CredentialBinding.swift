import Coffer

/// Where a credential goes, and which: `NAME=USER/CONNECTION` or `NAME=USER/CONNECTION#FIELD`.
///
/// The user ends at the first slash and the field begins at the last `#`; `%2F`, `%23` and `%25` stand for those two and for `%`
/// itself in an id.
struct CredentialBinding: Equatable {
    /// A variable's name, or a file's path.
    let name: String
    let key: CredentialKey
    let field: String?

    /// Nil if it is not of that form.
    init?(_ text: String) {
        guard let sign = text.firstIndex(of: "="), sign > text.startIndex else { return nil }
        var rest = text[text.index(after: sign)...]
        var field: String?
        if let mark = rest.lastIndex(of: "#") {
            guard let name = Self.decoded(rest[rest.index(after: mark)...]) else { return nil }
            field = name
            rest = rest[..<mark]
        }
        guard let slash = rest.firstIndex(of: "/"), let user = Self.decoded(rest[..<slash]),
            let connection = Self.decoded(rest[rest.index(after: slash)...])
        else { return nil }
        name = String(text[..<sign])
        key = CredentialKey(user: user, connection: connection)
        self.field = field
    }

    /// Whether the name is one that every shell takes.
    var isVariable: Bool {
        name.utf8.enumerated().allSatisfy { index, byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "_"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"): index > 0
            default: false
            }
        }
    }

    private static func decoded(_ text: Substring) -> String? {
        var result = ""
        var rest = text
        while let percent = rest.firstIndex(of: "%") {
            result += rest[..<percent]
            let end = rest.index(percent, offsetBy: 3, limitedBy: rest.endIndex)
            guard let end, let character = escapes[rest[percent..<end].lowercased()] else { return nil }
            result.append(character)
            rest = rest[end...]
        }
        result += rest
        return result.isEmpty ? nil : result
    }

    private static let escapes: [String: Character] = ["%2f": "/", "%23": "#", "%25": "%"]
}
