package import CofferCore
internal import CofferCrypto

/// The names of records in vaults whose names have letters, digits and few other characters: "{prefix}-{user}-{connection}",
/// both ids in lower-case base32, so that names which differ are different in any case.
///
/// Where that is longer than the vault accepts, "{prefix}-h-{user}-{connection}" with SHA-256 of each in base32:
/// "h" is no id in base32, which has at least two digits. The ids of such a record stand beside it, in what the vault keeps
/// for people. The whole digest is taken, so that nobody can choose an id that makes another one's name.
package struct Base32Names: Sendable {
    /// What a vault accepts.
    package struct Rules: Sendable {
        /// Of a name.
        package let maximumBytes: Int
        package let expectsPrefix: String
        private let isPrefixByte: @Sendable (UInt8) -> Bool

        /// - Parameters:
        ///   - characters: for people: "A-Z a-z 0-9 _ -".
        ///   - isPrefixByte: whether a prefix may have it.
        package init(maximumBytes: Int, characters: String, isPrefixByte: @escaping @Sendable (UInt8) -> Bool) {
            self.maximumBytes = maximumBytes
            self.isPrefixByte = isPrefixByte
            expectsPrefix =
                "expected 1 to \(Self.longestPrefix(maximumBytes)) of the characters \(characters), not ending in -h, which marks names of long ids"
        }

        /// Leaves room for two digests of 52 characters and the marks between.
        private static func longestPrefix(_ maximumBytes: Int) -> Int { min(100, maximumBytes - 2 * 52 - 4) }
        package var longestPrefix: Int { Self.longestPrefix(maximumBytes) }

        package func accepts(prefix: String) -> Bool {
            (1...longestPrefix).contains(prefix.utf8.count) && !prefix.hasSuffix("-h") && prefix.utf8.allSatisfy(isPrefixByte)
        }
    }

    private static let hashed = "h"

    let prefix: String
    private let rules: Rules

    /// - Throws: INVALID_ARGUMENT for a prefix that cannot begin a name.
    package init(prefix: String, rules: Rules, vault: String) throws(Failure) {
        guard rules.accepts(prefix: prefix) else {
            throw Failure(.invalidArgument, .badField, "prefix: \(rules.expectsPrefix)", vault: vault)
        }
        self.prefix = prefix
        self.rules = rules
    }

    package func name(of key: RecordKey) -> String {
        let name = plainStart(key.user) + Base32.text(key.connection.utf8)
        return name.utf8.count <= rules.maximumBytes ? name : hashedStart(key.user) + Self.digest(key.connection)
    }

    /// What the names of a user's records begin with, and no others'.
    package func starts(of user: String) -> [String] {
        let plain = plainStart(user)
        // A connection takes two digits at least.
        return plain.utf8.count + 2 <= rules.maximumBytes ? [plain, hashedStart(user)] : [hashedStart(user)]
    }

    /// What all names begin with.
    package var start: String { prefix + "-" }

    /// A name that no record has: it has too few parts.
    package var unused: String { start + "check" }

    /// Whose record this is; nil for a name that this adapter does not give.
    ///
    /// - Parameter annotated: the ids that stand beside it, which are trusted only if they make the name.
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
