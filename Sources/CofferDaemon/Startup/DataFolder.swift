import CofferVaultKit
import Glibc

/// What is in the data folder before a start makes anything there.
struct DataFolder {
    /// The path of the key ring.
    let ring: String
    let hasRing: Bool
    /// Databases of the configured vaults that are there.
    let databases: [String]
    /// Vaults whose database is not there, and its path.
    let missing: [(vault: String, path: String)]

    init(_ configuration: Configuration) {
        ring = configuration.data + "/keyring"
        hasRing = Self.isThere(ring)
        let embedded = configuration.vaults.compactMap { vault -> (vault: String, path: String)? in
            vault.driver.dataFile(of: vault).map { (vault.name, "\(configuration.data)/\($0)") }
        }
        databases = embedded.map(\.path).filter(Self.isThere)
        missing = embedded.filter { !Self.isThere($0.path) }
    }

    /// Something that was sealed, so that a key made up now could not open it; nil if there is nothing.
    var sealed: String? { hasRing ? ring : databases.first }

    /// - Parameter mayBeNew: an empty database may take the place of a missing one.
    /// - Throws: if one is missing that a ring in use says there was.
    func checkDatabases(mayBeNew: Bool) throws(StartupError) {
        guard hasRing, !mayBeNew, let lost = missing.first else { return }
        throw StartupError(
            "vault \(lost.vault): \(lost.path) is missing beside a key ring that is in use; restore it from a backup, or start once with --new-database to begin with an empty one",
            exitCode: StartupError.configurationExitCode)
    }

    /// - Throws: if something else is where the folder is to be.
    static func check(_ folder: String) throws(StartupError) {
        var status = stat()
        guard isThere(folder), stat(folder, &status) != 0 || status.st_mode & S_IFMT != S_IFDIR else { return }
        throw StartupError(
            "the data folder \(folder) is a file, or a link that leads nowhere; expected a folder: move it away, or "
                + "name another in data (--data, COFFER_DATA)",
            exitCode: StartupError.configurationExitCode)
    }

    /// Anything at all at this path, also a link that leads nowhere.
    static func isThere(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }
}
