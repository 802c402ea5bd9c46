/// Which vault has the records of these users and connections. The first route
/// that fits decides.
package struct VaultRoute: Equatable, Sendable {
    /// Patterns: `*` stands for any text, also none; all else for itself.
    package var user = "*"
    package var connection = "*"
    /// The vault's name.
    package var vault = ""

    package init(user: String = "*", connection: String = "*", vault: String) {
        self.user = user
        self.connection = connection
        self.vault = vault
    }

    /// Every record fits.
    package var catchesEverything: Bool { Self.isAny(user) && Self.isAny(connection) }

    private static func isAny(_ pattern: String) -> Bool { pattern.utf8.allSatisfy { $0 == UInt8(ascii: "*") } }
}
