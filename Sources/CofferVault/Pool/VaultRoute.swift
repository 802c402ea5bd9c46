package import CofferCore

/// Which vault keeps the records of some keys. Of several routes the first that
/// matches counts.
package struct VaultRoute: Hashable, Sendable {
    package let user: NamePattern
    package let connection: NamePattern
    /// The name of the vault.
    package let vault: String

    /// - Parameters: `user` and `connection` as for ``NamePattern``.
    /// - Throws: INVALID_ARGUMENT for a pattern that is none.
    package init(user: String = "*", connection: String = "*", vault: String) throws(Failure) {
        self.user = try NamePattern(user)
        self.connection = try NamePattern(connection)
        self.vault = vault
    }

    package func matches(_ key: RecordKey) -> Bool {
        user.matches(key.user) && connection.matches(key.connection)
    }
}
