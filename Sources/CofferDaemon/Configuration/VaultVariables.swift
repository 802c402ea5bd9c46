import CofferProcess
import CofferVaultKit

/// The one vault of a daemon without a `vaults` section: `vault.type` and VAULT_TYPE choose its
/// driver, and environment variables set the driver's settings.
struct VaultVariables {
    /// What the variables of all settings of vaults begin with.
    static let prefix = "COFFER_VAULT_"

    private let environment: EnvironmentVariables

    init(_ environment: [String: String]) { self.environment = EnvironmentVariables(environment) }

    /// - Parameters:
    ///   - place: where the type was said.
    ///   - catalogue: of the types there are: their settings are no settings of this one.
    func vault(
        _ driver: any VaultDriver, milliseconds: Int, place: String, _ catalogue: VaultCatalogue
    ) throws(ConfigurationErrors) -> VaultConfiguration {
        var vault = VaultConfiguration(name: driver.type, driver: driver, isNamed: false)
        vault[CommonSettings.timeout] = milliseconds
        vault.locations["type"] = place
        let own = driver.settings.flatMap(\.variables)
        let known = own + driver.secretVariables + ConfigurationLoader.variables.map(\.name)
        var errors = superseded(catalogue).filter { !own.contains($0) }.map { name in
            let isOfOthers = catalogue.variables.contains(name)
            let hint = isOfOthers ? nil : Self.suggestion(for: name, among: known)
            return ConfigurationError(
                name, "vaults of type \(driver.type) have no such setting\(hint.map { "; did you mean \($0)?" } ?? "; unset it")")
        }
        for setting in driver.settings {
            guard let (variable, value) = environment.first(of: setting.variables) else { continue }
            vault.locations[setting.name] = variable
            let texts = setting.isList ? value.split(separator: ",").map { Enumerated.trimmed(String($0)) } : [value]
            if !setting.apply(texts, &vault) {
                errors.append(ConfigurationError(variable, setting.mistake(texts)))
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

    /// The prefix, which all have, is not compared: it would make any two names near. What has none, or a part of it, is
    /// guessed with it: VAULT_TYPE, COFFER_DATA.
    private static func suggestion(for name: String, among names: [String]) -> String? {
        guard name.hasPrefix(prefix) else { return Spelling.nearest(to: name, among: names) }
        let end = String(name.dropFirst(prefix.count))
        let others = ["COFFER_" + end, "VAULT_" + end, end]
        if let other = others.first(where: names.contains) { return other }
        let ends = names.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
        let longer = ends.filter { $0.hasPrefix(end + "_") }
        let nearest = longer.count == 1 ? longer[0] : Spelling.nearest(to: end, among: ends)
        return nearest.map { prefix + $0 }
    }

    /// The guide's program may have put records there, and may still run: what it has written is
    /// read, and stays as it is until the format is said.
    private func adoptFormats(_ vault: inout VaultConfiguration) {
        guard let guide = vault.driver.guideFormat else { return }
        if !vault.isSet(CommonSettings.accept) {
            let accepted = vault.accept
            vault[CommonSettings.accept] = CommonSettings.formats.filter { accepted.contains($0) || $0 == guide }
        }
        let isSaid = vault.isSet(CommonSettings.format) || vault.isSet(RemoteSettings.keep)
        if !isSaid && vault.accept.contains(guide) { vault[RemoteSettings.keep] = [guide] }
    }

    /// Those that are set and are meant for a vault, whatever its type, or no setting's at all.
    ///
    /// - Parameter catalogue: of the types there are.
    func superseded(_ catalogue: VaultCatalogue) -> [String] {
        var names: [String] = []
        for setting in catalogue.drivers.flatMap(\.settings) {
            for name in setting.variables where name.hasPrefix("COFFER_") && !names.contains(name) {
                if environment.first(of: [name]) != nil { names.append(name) }
            }
        }
        for name in environment.names(prefix: Self.prefix) where !names.contains(name) { names.append(name) }
        return names
    }
}
