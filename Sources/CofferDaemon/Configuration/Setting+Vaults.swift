import CofferVaultKit

extension Setting {
    /// The `vaults` and `routes` of the configuration, as a file has them.
    /// Settings that have no value stand in it as comments.
    package static func vaultsYAML(_ configuration: Configuration) -> String {
        var text = "vaults:\n"
        for vault in configuration.vaults {
            text += "  \(quoted(vault.name)):\n"
            text += "    type: \(quoted(vault.driver.type))\n"
            for setting in vault.driver.settings {
                text += "    \(line(setting, vault))\n"
            }
        }
        text += "routes:\n"
        for route in configuration.routes {
            text += "  - user: \(quoted(route.user))\n"
            text += "    connection: \(quoted(route.connection))\n"
            text += "    vault: \(quoted(route.vault))\n"
        }
        return text
    }

    private static func line(_ setting: AnyVaultSetting, _ vault: VaultConfiguration) -> String {
        let values = setting.show(vault)
        if setting.isList { return "\(setting.name): [\(values.map(quoted).joined(separator: ", "))]" }
        let value = values.first ?? ""
        return value.isEmpty ? "# \(setting.name): not set" : "\(setting.name): \(quoted(value))"
    }
}
