import CofferVaults

/// The one vault of a daemon without a `vaults` section: `vault.type` and VAULT_TYPE choose its
/// driver, and environment variables set the driver's settings.
struct VaultVariables {
    private let environment: EnvironmentVariables

    init(_ environment: [String: String]) { self.environment = EnvironmentVariables(environment) }

    /// - Parameter place: where the type was said.
    func vault(
        _ driver: any VaultDriver, milliseconds: Int, place: String
    ) throws(ConfigurationErrors) -> VaultConfiguration {
        var vault = VaultConfiguration(name: driver.type, driver: driver, isNamed: false)
        vault[CommonSettings.timeout] = milliseconds
        vault.locations["type"] = place
        var errors: [ConfigurationError] = []
        for setting in driver.settings {
            guard let (variable, value) = environment.first(of: setting.variables) else { continue }
            vault.locations[setting.name] = variable
            let texts = setting.isList ? value.split(separator: ",").map { Enumerated.trimmed(String($0)) } : [value]
            if !setting.apply(texts, &vault) {
                errors.append(ConfigurationError(variable, "expected \(setting.expects)"))
            }
        }
        adoptFormats(&vault)
        errors += driver.adopt(environment, into: &vault).map { ConfigurationError($0.place, $0.message) }
        guard errors.isEmpty else { throw ConfigurationErrors(errors) }
        let mistakes = VaultRules.mistakes(in: vault)
        guard mistakes.isEmpty else {
            throw ConfigurationErrors(
                mistakes.map { ConfigurationError(vault.locations[$0.place] ?? place, $0.message) })
        }
        return vault
    }

    /// The guide's program may have put records there, and may still run: what it has written is
    /// read, and stays as it is until the format is said.
    private func adoptFormats(_ vault: inout VaultConfiguration) {
        guard let guide = vault.driver.guideFormat else { return }
        if !vault.isSet(CommonSettings.accept) {
            let accepted = vault.accept
            vault[CommonSettings.accept] = CommonSettings.formats.filter { accepted.contains($0) || $0 == guide }
        }
        if !vault.isSet(CommonSettings.format) && !vault.isSet(RemoteSettings.keep) { vault[RemoteSettings.keep] = [guide] }
    }

    /// Those that are set and configure a vault, whatever its type.
    ///
    /// - Parameter catalogue: of the types there are.
    func superseded(_ catalogue: VaultCatalogue) -> [String] {
        var names: [String] = []
        for setting in catalogue.drivers.flatMap(\.settings) {
            for name in setting.variables where name.hasPrefix("COFFER_") && !names.contains(name) {
                if environment.first(of: [name]) != nil { names.append(name) }
            }
        }
        return names
    }
}
