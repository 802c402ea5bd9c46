import CofferVault
import CofferVaultKit

/// What must hold between the vaults and with the rest of the configuration.
enum PoolRules {
    /// - Parameter hasPassphrase: there is one, in a file or a variable.
    static func mistakes(in configuration: Configuration, hasPassphrase: Bool) -> [ConfigurationError] {
        var found: [ConfigurationError] = []
        var holders: [String: String] = [:]
        for vault in configuration.vaults {
            func add(_ setting: String, _ message: String) {
                let path = "\(vault.path).\(setting)"
                guard let place = vault.locations[setting] ?? vault.locations[""] else {
                    return found.append(ConfigurationError(path, message))
                }
                // Not all of them can be set in a file; what cannot was set by a variable.
                let isKnown = vault.isNamed || Setting.named(path) != nil
                found.append(isKnown ? ConfigurationError(place, of: path, message) : ConfigurationError(place, message))
            }
            if configuration.isProduction && vault.driver.isVolatile {
                add(
                    "type",
                    "the \(vault.driver.title) loses everything at a restart and is refused in production; use \(configuration.catalogue.drivers[0].type)"
                )
            }
            if vault.format == .legacyAES && !hasPassphrase {
                add(
                    "format",
                    "legacy-aes needs the passphrase that the other program has: set key.passphrase_file or CREDENTIAL_ENCRYPTION_KEY"
                )
            }
            for prefix in vault.driver.secretPrefixes {
                guard let other = holders.updateValue(vault.name, forKey: prefix + "…") else { continue }
                add(
                    "type",
                    "vaults.\(other) already serves the variables \(prefix)… of the environment, which belong to one vault; leave one of the two out"
                )
            }
            guard let secret = vault.driver.secret(of: vault) else { continue }
            if let other = holders.updateValue(vault.name, forKey: secret) {
                add(
                    "auth",
                    "vaults.\(other) already uses \(secret), and a secret belongs to one vault; give this one a file"
                )
            }
        }
        return found
    }
}
