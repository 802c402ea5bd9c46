package import CofferCore
internal import CofferVaultKit

/// The keys of records in etcd, and back: `{prefix}/{user}/{connection}`.
///
/// An id of letters, digits and `-_.@:|` stays as it is; of another one each other byte becomes
/// `=` and two hex digits. Neither `=` nor `/` stays, so no two records share a key.
package struct EtcdNames: Sendable {
    private static let escape = NameEscape(plain: "-_.@:|")
    /// The longest key that a record can have: 256 bytes of prefix, two ids of 256 bytes, all escaped.
    private static let maximumKeyBytes = 256 + 2 * (1 + 3 * 256)

    private let folder: String

    package init(prefix: String) { folder = prefix + "/" }

    package func name(of key: RecordKey) -> String {
        "\(folder)\(Self.escape.escape(key.user))/\(Self.escape.escape(key.connection))"
    }

    /// Of the record that `check` looks for.
    var checkName: String { folder + "coffer.check/coffer.check" }

    /// What every name of this user begins with; nil = of all users.
    func folder(of user: String?) -> String {
        user.map { "\(folder)\(Self.escape.escape($0))/" } ?? folder
    }

    /// The record that has this name; nil for what no record of ours has.
    package func key(of bytes: [UInt8]) -> RecordKey? {
        // All bytes of our names are ASCII.
        guard bytes.count <= Self.maximumKeyBytes, bytes.starts(with: folder.utf8), bytes.allSatisfy({ $0 < 0x80 }) else {
            return nil
        }
        let name = String(decoding: bytes[folder.utf8.count...], as: UTF8.self)
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let user = Self.id(of: parts[0]), let connection = Self.id(of: parts[1]) else {
            return nil
        }
        return try? RecordKey(user: user, connection: connection)
    }

    /// Of one part; nil if `escape` would have written it otherwise.
    private static func id(of part: Substring) -> String? {
        guard let id = escape.unescape(part), escape.escape(id).utf8.elementsEqual(part.utf8) else { return nil }
        return id
    }

    /// The first name behind all that begin with `folder`, which ends in a slash.
    static func end(of folder: String) -> String { folder.dropLast() + "0" }
}

extension JSON {
    /// Bytes as etcd's gateway wants them.
    static func base64(_ text: String) -> JSON { base64(Array(text.utf8)) }
    static func base64(_ bytes: [UInt8]) -> JSON { .string(Base64.text(bytes)) }

    /// A whole number of 64 bits, which the gateway writes as a string.
    var int64: Int64? { integer ?? text.flatMap { Int64($0) } }

    /// A revision of etcd's store; nil for a number that it cannot come to, one more than which may not even be one.
    var revision: Int64? { int64.flatMap { (0..<1 << 62).contains($0) ? $0 : nil } }

    /// A whole number as the gateway writes it: 2^53 and more must not become a double on the way.
    static func int64(_ value: Int64) -> JSON { .string(String(value)) }
}
