package import CofferCore
internal import CofferVaultKit

/// The names of records in the table, and back: `{prefix}/{user}/{connection}`.
///
/// An id of letters, digits and `- _ . @ + : |` stays as it is; every other byte becomes `=` and two hex digits, the
/// slash too. So no two records share a name, and a prefix with a slash in it shares none with a shorter one.
package struct PostgresNames: Sendable {
    /// What a name can have: prefix and slashes, and two ids of which every byte is escaped.
    static let maximumBytes = 2_048

    private static let escape = NameEscape(plain: "-_.@+:|")
    /// With the slash behind it.
    let folder: String

    package init(prefix: String) { folder = prefix + "/" }

    package func record(_ key: RecordKey) -> String { user(key.user) + Self.escape.escape(key.connection) }

    /// What the names of a user's records begin with.
    func user(_ id: String) -> String { folder + Self.escape.escape(id) + "/" }

    /// Nil for a name that `record` does not make.
    package func key(of name: String) -> RecordKey? {
        guard name.utf8.starts(with: folder.utf8) else { return nil }
        let parts = name.utf8.dropFirst(folder.utf8.count).split(
            separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard parts.count == 2, let user = Self.escape.unescape(String(parts[0]) ?? "="),
            let connection = Self.escape.unescape(String(parts[1]) ?? "="),
            let key = try? RecordKey(user: user, connection: connection),
            record(key).utf8.elementsEqual(name.utf8)
        else { return nil }
        return key
    }

    /// The first name behind all that begin with `start`, which ends in a slash: in the order of bytes, "0" is next.
    static func end(of start: String) -> String { start.dropLast() + "0" }
}
