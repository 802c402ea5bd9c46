package import CofferCore
package import CofferVault

/// Everything that is peculiar to one type of vault. The loader, `--check`, `--print-settings`,
/// the opener, the doctor and the manual's tables go through the drivers of the `VaultCatalogue`;
/// nothing else names a type.
///
/// A driver decides nothing by itself: it declares settings and rules, which are checked without
/// a network, and makes the adapter from what they leave. What `mistakes(in:)` passes, `open` takes.
package protocol VaultDriver: Sendable {
    /// What `type` and VAULT_TYPE say: a word of small letters, digits and hyphens.
    var type: String { get }
    /// What it is called by people: "AWS Secrets Manager".
    var title: String { get }
    /// The daemon keeps the records itself: nobody else reads them, the vault guards itself
    /// against too many calls, and opening it may make files.
    var isLocal: Bool { get }
    /// Records are gone when the daemon stops. Production refuses such a vault.
    var isVolatile: Bool { get }
    /// How the guide's program, which comes from TypeScript, writes to vaults of this type; nil
    /// if it has none of it.
    var guideFormat: RecordFormat? { get }
    /// What the names of records begin with unless `prefix` says otherwise: where the guide's program
    /// writes to vaults of this type, what its names begin with.
    var guidePrefix: String { get }
    /// `CommonSettings.all`, for a vault by HTTP `RemoteSettings.all`, and its own.
    var settings: [AnyVaultSetting] { get }
    /// Environment variables with secrets. They are taken out of the environment at the start,
    /// whatever vaults are configured.
    var secretVariables: [String] { get }
    /// What the names of further environment variables with secrets begin with: records that the platform hands to the
    /// daemon so. They are taken out of the environment at the start, whatever vaults are configured.
    var secretPrefixes: [String] { get }
    /// Other environment variables that it reads beside those of its settings.
    var variables: [String] { get }
    /// What to check when the doctor finds a fault.
    var advice: VaultAdvice { get }

    /// Completes the one vault of a daemon without a `vaults` section by variables that are no
    /// settings. Secret ones are there as whether they are set.
    ///
    /// - Parameter variables: which is set: see `EnvironmentVariables`.
    func adopt(_ variables: EnvironmentVariables, into vault: inout VaultConfiguration) -> [SettingMistake]

    /// What must hold between the settings, beside each setting's own rule: every mistake there is.
    func mistakes(in vault: VaultConfiguration) -> [SettingMistake]

    /// The secret variables that this vault uses up: no secret goes to two vaults. The first name
    /// is what errors call it.
    func secret(of vault: VaultConfiguration) -> String?

    /// The file with its records in the data folder; nil if it has none there.
    func dataFile(of vault: VaultConfiguration) -> String?

    /// For people: where it keeps records.
    func location(of vault: VaultConfiguration, dataFolder: String) -> String

    /// Finds what `open` would refuse about the files of a local vault, and makes and opens none.
    func checkFiles(of vault: VaultConfiguration, dataFolder: String) throws(Failure)

    /// The adapter. One to another host connects to nothing yet: it may be down and come back.
    ///
    /// - Throws: FAILED_PRECONDITION or INVALID_ARGUMENT for a configuration that cannot work,
    ///   with the setting's name and a colon before the text where one is meant.
    func open(_ vault: VaultConfiguration, _ context: VaultContext) throws(Failure) -> any VaultAdapter
}

extension VaultDriver {
    package var isVolatile: Bool { false }
    package var guideFormat: RecordFormat? { nil }
    package var guidePrefix: String { "ai2-connectors" }
    package var secretVariables: [String] { [] }
    package var secretPrefixes: [String] { [] }
    package var variables: [String] { [] }
    package var advice: VaultAdvice { .local }

    package func adopt(_ variables: EnvironmentVariables, into vault: inout VaultConfiguration) -> [SettingMistake] { [] }
    package func mistakes(in vault: VaultConfiguration) -> [SettingMistake] { [] }
    package func secret(of vault: VaultConfiguration) -> String? { nil }
    package func dataFile(of vault: VaultConfiguration) -> String? { nil }
    package func checkFiles(of vault: VaultConfiguration, dataFolder: String) throws(Failure) {}
}

/// A mistake in a vault's configuration.
package struct SettingMistake: Equatable, Sendable {
    /// The setting's name; "" = the vault as a whole. Or the name of an environment variable.
    package let place: String
    package let message: String

    package init(_ place: String, _ message: String) {
        self.place = place
        self.message = message
    }
}

/// The environment's variables, secret ones as whether they are set.
package struct EnvironmentVariables: Sendable {
    private let values: [String: String]

    package init(_ values: [String: String]) { self.values = values }

    /// Those that are set and whose names begin so, sorted.
    package func names(prefix: String) -> [String] {
        values.filter { $0.key.hasPrefix(prefix) && !$0.value.isEmpty }.keys.sorted()
    }

    /// The first of these that is there, if it is empty: it hides those behind it.
    package func empty(of names: [String]) -> String? {
        names.first { values[$0] != nil }.flatMap { values[$0]?.isEmpty == true ? $0 : nil }
    }

    /// The first of these that is there, and its value; nil if none is there, or if that one is empty.
    package func first(of names: [String]) -> (name: String, value: String)? {
        for name in names {
            guard let value = values[name] else { continue }
            return value.isEmpty ? nil : (name, value)
        }
        return nil
    }
}
