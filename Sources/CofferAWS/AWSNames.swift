package import CofferCore
internal import CofferVault
internal import CofferVaultKit

/// The names of secrets: "{prefix}/{user}/{connection}".
///
/// The service forbids a name that ends in a hyphen and six characters: it could
/// be taken for the end of an ARN. Such a name is written with one more escape,
/// so that ids of `[A-Za-z0-9]` keep the name that the predecessor gave them.
package struct AWSNames: Sendable {
    static let maximumBytes = 512
    private static let escape = NameEscape(plain: "-_.@+")

    let prefix: String
    /// The literal name is the one that is written.
    let prefersLiteral: Bool

    /// - Throws: INVALID_ARGUMENT for a prefix that cannot begin a name.
    package init(prefix: String, prefersLiteral: Bool = false, vault: String) throws(Failure) {
        let isPlain = prefix.utf8.allSatisfy { $0.isASCIILetterOrDigit || "/_+=.@-".utf8.contains($0) }
        guard isPlain, (1...128).contains(prefix.utf8.count), !prefix.hasPrefix("/"), !prefix.hasSuffix("/") else {
            throw Failure(
                .invalidArgument, .badField,
                "prefix: expected 1 to 128 of the characters A-Z a-z 0-9 / _ + = . @ -, without / at either end",
                vault: vault)
        }
        // With short ids the forbidden ending could reach into the prefix.
        guard !prefix.utf8.suffix(3).contains(UInt8(ascii: "-")) else {
            throw Failure(
                .invalidArgument, .badField, "prefix: must not have a hyphen among its last three characters",
                vault: vault)
        }
        self.prefix = prefix
        self.prefersLiteral = prefersLiteral
    }

    /// The name of a program that takes ids as they are; nil if it is that of
    /// `name(of:)` too, is not allowed, or may be another record's.
    func literalName(of key: RecordKey) -> String? {
        let literal = "\(prefix)/\(key.user)/\(key.connection)"
        let isAllowed =
            literal.utf8.count <= Self.maximumBytes
            && [key.user, key.connection].allSatisfy { id in
                id.utf8.allSatisfy { $0.isASCIILetterOrDigit || "_+=.@-".utf8.contains($0) }
            }
        // A name that looks escaped belongs to another id; and so do names of parts that do.
        guard isAllowed, literal != name(of: key), self.key(ofName: literal) == nil, Self.isOwn(key.user),
            Self.isOwn(key.connection)
        else { return nil }
        return literal
    }

    private static func isOwn(_ id: String) -> Bool {
        escape.unescape(id).map { Array($0.utf8) == Array(id.utf8) } ?? true
    }

    /// Every name that the record may have, the one that is written first.
    func all(_ key: RecordKey) -> [String] {
        let escaped = name(of: key)
        guard let literal = literalName(of: key) else { return [escaped] }
        return prefersLiteral ? [literal, escaped] : [escaped, literal]
    }

    /// The first of `all`; nil if the record cannot be read, as a name of it would be too long.
    func preferred(_ key: RecordKey) -> String? {
        name(of: key).utf8.count > Self.maximumBytes ? nil : all(key).first
    }

    /// What the names of a user's records begin with, however they are written.
    func userPrefixes(_ user: String) -> [String] {
        let (escaped, literal) = (userPrefix(user), "\(prefix)/\(user)/")
        let isAllowed = user.utf8.allSatisfy { $0.isASCIILetterOrDigit || "_+=.@-".utf8.contains($0) }
        return isAllowed && literal != escaped ? [escaped, literal] : [escaped]
    }

    /// Whose record this is, however its name is written.
    func key(ofListed name: String) -> RecordKey? {
        if let key = key(ofName: name) { return key }
        guard name.hasPrefix(allPrefix) else { return nil }
        let segments = name.dropFirst(allPrefix.count).split(separator: "/", omittingEmptySubsequences: false)
        guard segments.count == 2,
            let key = try? RecordKey(user: String(segments[0]), connection: String(segments[1])),
            literalName(of: key)?.hasSameBytes(as: name) == true
        else { return nil }
        return key
    }

    /// May be longer than `maximumBytes`: the daemon asks for no record of such a name.
    package func name(of key: RecordKey) -> String {
        let start = userPrefix(key.user)
        let plain = Self.escape.escape(key.connection)
        guard Self.looksLikeARN(start + plain) else { return start + plain }
        if plain.utf8.count >= 7 {
            let after = plain.utf8.suffix(6)
            let escapes = after.count { $0 == UInt8(ascii: "=") }
            let hyphen = key.connection.utf8.count - (6 - 2 * escapes) - 1
            return start + Self.escape.escape(key.connection, always: [hyphen])
        }
        // The hyphen is the user's, whose part must be the same for every
        // connection: so the connection grows until the hyphen is further away.
        var always: Set<Int> = []
        var name = start + plain
        for offset in 0..<key.connection.utf8.count where Self.looksLikeARN(name) {
            always.insert(offset)
            name = start + Self.escape.escape(key.connection, always: always)
        }
        return name
    }

    /// What the names of all records of this user begin with, and no others'.
    func userPrefix(_ user: String) -> String { "\(prefix)/\(segment(user: user))/" }

    /// What all names begin with.
    var allPrefix: String { prefix + "/" }

    /// A hyphen third from the end is always escaped: a connection that has no
    /// plain character, "=3A", could not grow out of its way.
    private func segment(user: String) -> String {
        let plain = Self.escape.escape(user)
        guard plain.utf8.count >= 3, plain.utf8.suffix(3).first == UInt8(ascii: "-") else { return plain }
        return Self.escape.escape(user, always: [user.utf8.count - 3])
    }

    private static func looksLikeARN(_ name: String) -> Bool {
        name.utf8.count >= 7 && name.utf8.suffix(7).first == UInt8(ascii: "-")
    }

    /// Whose record this is; nil for a name that this adapter does not give.
    package func key(ofName name: String) -> RecordKey? {
        guard name.hasPrefix(allPrefix) else { return nil }
        let segments = name.dropFirst(allPrefix.count).split(separator: "/", omittingEmptySubsequences: false)
        guard segments.count == 2, let user = Self.escape.unescape(segments[0]),
            let connection = Self.escape.unescape(segments[1]),
            let key = try? RecordKey(user: user, connection: connection), self.name(of: key).hasSameBytes(as: name)
        else { return nil }
        return key
    }
}
