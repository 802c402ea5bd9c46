package import CofferCache
package import CofferServer
import CofferVaultCatalogue
package import CofferVaultKit
package import Logging

/// All that can be set, with its defaults. `Setting.all` names each value and
/// its rule.
package struct Configuration: Equatable, Sendable {
    /// How log lines look.
    package enum LogFormat: String, CaseIterable, Sendable {
        /// Text on a terminal, JSON elsewhere.
        case auto
        case text, json
    }

    /// The types of vault that there are.
    package let catalogue: VaultCatalogue
    package var socket = ""
    package var socketMode: UInt32 = 0o600
    /// The name or number of the group that the socket is given to. Empty = the daemon's own.
    package var socketGroup = ""
    /// The file that says who may do what. Empty = the daemon's own uid may do everything, and nobody else anything.
    package var policyFile = ""
    package var data = ""
    /// "production" refuses what is for development only.
    package var environment = "development"
    /// As it was written, if that is not how it is spelled now: daemons that did not compare names by
    /// what they mean have sealed under it.
    var writtenEnvironment: String?
    /// As an earlier daemon called it, if the operator says so: records and databases of that name are
    /// this environment's.
    var earlierEnvironment = ""
    /// The type of the one vault there is without a `vaults` section.
    package var vaultType: String
    /// In the order of the file. `ConfigurationLoader` sees to it that there is one.
    package var vaults: [VaultConfiguration] = []
    /// The last catches everything.
    package var routes: [VaultRoute] = []
    /// A file with the root key: 32 bytes, or 64 hex digits. Empty = one is made
    /// in the data folder at the first start.
    package var keyFile = ""
    /// A file with a passphrase that the root key is derived from. Empty = none.
    package var passphraseFile = ""
    /// 0 = one for each core, at most 4.
    package var reactors = 0
    /// Microseconds for which a reactor looks for work before it sleeps.
    package var spinMicroseconds = 0
    package var cache = CacheConfiguration()
    package var limits = ServerLimits()
    /// Milliseconds that one read of that one vault may take.
    package var vaultMilliseconds = 5_000
    package var logLevel = Logger.Level.info
    package var logFormat = LogFormat.auto
    /// What the operator may not expect, for the log and Health.
    package var notices: [String] = []
    /// Of the scalar settings in the file, and of `vaults`.
    var places = SourceLocations()
    /// Settings whose values were refused; "vaults" = something about vaults.
    var mistaken: Set<String> = []

    package init(catalogue: VaultCatalogue = .standard) {
        self.catalogue = catalogue
        vaultType = catalogue.drivers.first?.type ?? ""
    }

    /// Other names that records of this environment may be sealed under: an earlier one, and the configured spelling.
    package var formerEnvironments: [String] {
        [earlierEnvironment, writtenEnvironment ?? ""].filter { !$0.isEmpty && $0 != environment }
    }

    package var isProduction: Bool { environment == EnvironmentName.production }

    /// A mistake in a setting, at the place where it was set, if it was.
    func mistake(_ path: String, _ message: String) -> ConfigurationError {
        places[path].map { ConfigurationError($0, of: path, message) } ?? ConfigurationError(path, message)
    }
}
