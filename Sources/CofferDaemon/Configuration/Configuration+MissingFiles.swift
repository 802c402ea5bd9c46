import CofferVaultKit
import Glibc

extension Configuration {
    /// For `--check`: files that a vault reads when it logs in, and that are not there now. The start does not
    /// refuse them, as they may come later.
    var missingFiles: [String] {
        vaults.flatMap { vault in
            vault.driver.settings.compactMap { setting in
                guard setting.name.hasSuffix("_file"), let path = setting.show(vault).first, path.hasPrefix("/"),
                    access(path, F_OK) != 0, errno == ENOENT
                else { return nil }
                let place = vault.locations[setting.name] ?? vault.path
                return "\(place): \(vault.path).\(setting.name): there is no file \(path); until it is there, the vault cannot be used"
            }
        }
    }
}
