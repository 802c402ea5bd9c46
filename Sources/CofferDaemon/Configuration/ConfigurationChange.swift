import CofferVaultKit

/// What a configuration that was read again means for a daemon that runs.
struct ConfigurationChange {
    /// What is in force with it: the old one, but for the settings that can be reloaded.
    let configuration: Configuration
    /// Settings that take their new values at once: "limits.calls = 100".
    let reloaded: [String]
    /// Settings that take theirs at the next start.
    let needRestart: [String]

    init(from old: Configuration, to new: Configuration) {
        var configuration = old
        var reloaded: [String] = []
        var needRestart: [String] = []
        for setting in Setting.all where setting.show(old) != setting.show(new) {
            // What is shown is always taken.
            if setting.isReloadable, setting.apply(setting.show(new), &configuration) {
                reloaded.append("\(setting.path) = \(setting.show(new))")
            } else {
                needRestart.append(setting.path)
            }
        }
        self.configuration = configuration
        self.reloaded = reloaded
        self.needRestart = needRestart + Self.vaults(old, new) + (old.routes == new.routes ? [] : ["routes"])
    }

    /// Settings of vaults, and vaults that came or went.
    private static func vaults(_ old: Configuration, _ new: Configuration) -> [String] {
        var found: [String] = []
        for vault in old.vaults where !new.vaults.contains(where: { $0.name == vault.name }) { found.append(vault.path) }
        for vault in new.vaults {
            guard let before = old.vaults.first(where: { $0.name == vault.name }) else {
                found.append(vault.path)
                continue
            }
            if before.driver.type != vault.driver.type || before.isNamed != vault.isNamed {
                found.append("\(vault.path).type")
                continue
            }
            for setting in vault.driver.settings where setting.show(before) != setting.show(vault) {
                let path = "\(vault.path).\(setting.name)"
                // Without a `vaults` section it is a setting of its own, too.
                if Setting.named(path) == nil { found.append(path) }
            }
        }
        return found
    }
}
