package import CofferCore
internal import CofferCrypto
internal import CofferVaultKit

/// The names of secrets: "{prefix}-{user}-{connection}", both ids in base32, as the service takes letters, digits,
/// `_` and `-` only.
///
/// Where that is longer than the service accepts, "{prefix}-h-{user}-{connection}" with SHA-256 of each in base32:
/// "h" is no id in base32, which has at least two digits. Such a secret has its ids in its annotations. The whole
/// digest is taken, so that nobody can choose an id that makes another one's name.
package struct GoogleNames: Sendable {
    /// The service's own limit.
    static let maximumBytes = 255
    /// Leaves room for two digests.
    static let longestPrefix = 100
    static let prefixRule =
        "expected 1 to \(longestPrefix) of the characters A-Z a-z 0-9 _ -, not ending in -h, which marks names of long ids"
    private static let hashed = "h"

    let prefix: String

    /// - Throws: INVALID_ARGUMENT for a prefix that cannot begin a name.
    package init(prefix: String, vault: String) throws(Failure) {
        guard Self.isPrefix(prefix) else {
            throw Failure(.invalidArgument, .badField, "prefix: \(Self.prefixRule)", vault: vault)
        }
        self.prefix = prefix
    }

    static func isPrefix(_ text: String) -> Bool {
        (1...longestPrefix).contains(text.utf8.count) && !text.hasSuffix("-\(hashed)")
            && text.utf8.allSatisfy { $0.isASCIILetterOrDigit || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") }
    }

    package func name(of key: RecordKey) -> String {
        let name = plainStart(key.user) + Base32.text(key.connection.utf8)
        return name.utf8.count <= Self.maximumBytes ? name : hashedStart(key.user) + Self.digest(key.connection)
    }

    /// What the names of a user's records begin with, and no others'.
    func starts(of user: String) -> [String] {
        let plain = plainStart(user)
        // A connection takes two digits at least.
        return plain.utf8.count + 2 <= Self.maximumBytes ? [plain, hashedStart(user)] : [hashedStart(user)]
    }

    /// What all names begin with.
    var start: String { prefix + "-" }

    /// A name that no record has: it has too few parts.
    var unused: String { start + "check" }

    /// Whose record this is; nil for a name that this adapter does not give.
    ///
    /// - Parameter annotated: the ids in the secret's annotations, which are trusted only if they make the name.
    package func key(of name: String, annotated: () -> RecordKey?) -> RecordKey? {
        guard name.hasPrefix(start) else { return nil }
        let parts = name.dropFirst(start.count).split(separator: "-", omittingEmptySubsequences: false)
        let key: RecordKey?
        switch parts.count {
        case 2: key = Self.id(parts[0]).flatMap { user in Self.id(parts[1]).flatMap { try? RecordKey(user: user, connection: $0) } }
        case 3 where parts[0] == Self.hashed: key = annotated()
        default: key = nil
        }
        return key.flatMap { self.name(of: $0) == name ? $0 : nil }
    }

    private func plainStart(_ user: String) -> String { "\(prefix)-\(Base32.text(user.utf8))-" }
    private func hashedStart(_ user: String) -> String { "\(prefix)-\(Self.hashed)-\(Self.digest(user))-" }
    private static func digest(_ id: String) -> String { Base32.text(Digest.sha256(Array(id.utf8))) }

    private static func id(_ part: Substring) -> String? {
        Base32.bytes(part).flatMap { String(validating: $0, as: UTF8.self) }
    }
}
