internal import CofferVault

/// What must hold in the configuration of any vault. `--check` and the start find the same.
package enum VaultRules {
    /// Every mistake there is in a vault, each with the setting that it is about.
    package static func mistakes(in vault: VaultConfiguration) -> [SettingMistake] {
        formats(vault) + vault.driver.mistakes(in: vault)
    }

    private static func formats(_ vault: VaultConfiguration) -> [SettingMistake] {
        if vault.driver.isLocal {
            let reason = "a vault of type \(vault.driver.type) is shared with no other program; expected"
            return (vault.format == .sealed ? [] : [SettingMistake("format", "\(reason) sealed")])
                + (vault.accept == [.sealed] ? [] : [SettingMistake("accept", "\(reason) [sealed]")])
        }
        var found: [SettingMistake] = []
        if !vault.accept.contains(vault.format) {
            found.append(
                SettingMistake("accept", "expected \(vault.format.rawValue) in this list: it is what this vault writes"))
        }
        for unread in vault.keep where !vault.accept.contains(unread) {
            found.append(
                SettingMistake(
                    "keep", "\(unread.rawValue) is not among the formats of accept, so none of its records can be read"))
        }
        return found
    }
}
