/// What to check when a vault fails, for each class of faults: one or two sentences in the
/// imperative, which fit the type of the vault.
package struct VaultAdvice: Sendable {
    /// No connection.
    package let unreachable: String
    /// It does not accept the daemon's credentials.
    package let login: String
    /// Something that the configuration names is not there.
    package let setUp: String
    /// It does not permit the call.
    package let permission: String
    /// It answers, and not as it should.
    package let broken: String

    package init(unreachable: String, login: String, setUp: String, permission: String, broken: String) {
        self.unreachable = unreachable
        self.login = login
        self.setUp = setUp
        self.permission = permission
        self.broken = broken
    }

    /// Of a vault that the daemon keeps itself.
    package static let local = VaultAdvice(
        unreachable: "Check the data folder, and look at the daemon's log.",
        login: "Look at the daemon's log.",
        setUp: "Check that the file or folder that the message names exists.",
        permission: "Check the owner and the mode of the data folder.",
        broken: "Look at the daemon's log, and check the disk of the data folder.")
}
