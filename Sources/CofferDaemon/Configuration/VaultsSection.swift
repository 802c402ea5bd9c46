import CofferProcess
import CofferVault
import CofferVaultKit
import CofferYAML

/// Reads `vaults:`, a mapping of a vault's name to its settings.
enum VaultsSection {
    static let maximumVaults = 64

    /// - Returns: the vaults, each as far as it could be read.
    static func read(
        _ node: YAMLNode, _ catalogue: VaultCatalogue, _ mistakes: inout ConfigurationDiagnostics
    ) -> [VaultConfiguration] {
        guard let mapping = node.mapping, !mapping.isEmpty else {
            mistakes.add(node, "vaults: expected a mapping of names to vaults")
            return []
        }
        guard mapping.count <= maximumVaults else {
            mistakes.add(node, "vaults: expected at most \(maximumVaults) vaults, got \(mapping.count)")
            return []
        }
        var vaults: [VaultConfiguration] = []
        for pair in mapping {
            let (key, value) = (pair.key, pair.value)
            guard let name = key.scalar, VaultName.isValid(name) else {
                mistakes.add(key, "vaults: expected \(VaultName.expects)")
                continue
            }
            var reading = Reading(name: name, place: mistakes.place(of: key), catalogue: catalogue, mistakes: mistakes)
            vaults.append(reading.vault(value))
            mistakes = reading.mistakes
        }
        return vaults
    }

    /// One vault on its way from the file.
    private struct Reading {
        let name: String
        let place: String
        let catalogue: VaultCatalogue
        var mistakes: ConfigurationDiagnostics

        private var path: String { "vaults.\(name)" }

        /// - Returns: the vault as far as it could be read; of any type if its own is not known.
        mutating func vault(_ node: YAMLNode) -> VaultConfiguration {
            guard let mapping = node.isNull ? [] : node.mapping else {
                mistakes.add(node, "\(path): expected a mapping with the vault's type and settings")
                return VaultConfiguration(name: name, driver: catalogue.drivers[0])
            }
            let before = mistakes.errors.count
            let type = type(mapping)
            var vault = VaultConfiguration(name: name, driver: type?.driver ?? catalogue.drivers[0])
            vault.locations[""] = place
            vault.locations["type"] = type?.place
            for pair in mapping where pair.key.scalar != "type" {
                let (key, value) = (pair.key, pair.value)
                let word = key.scalar ?? ""
                guard catalogue.settingNames.contains(word) else {
                    mistakes.add(key, unknown(word))
                    continue
                }
                if value.isNull { continue }
                guard type != nil else { continue }
                guard let setting = vault.setting(word) else {
                    let types = catalogue.types(having: word).joined(separator: ", ")
                    mistakes.add(
                        value, "\(path).\(word): only vaults of type \(types) have this setting; this one is of type \(vault.driver.type)")
                    continue
                }
                vault.locations[word] = mistakes.place(of: value)
                apply(setting, value, to: &vault)
            }
            // What one mistake has left unset would be told as more mistakes.
            guard mistakes.errors.count == before else { return vault }
            for mistake in VaultRules.mistakes(in: vault) {
                mistakes.add(
                    vault.locations[mistake.place] ?? mistakes.place(of: node),
                    mistake.place.isEmpty ? "\(path): \(mistake.message)" : "\(path).\(mistake.place): \(mistake.message)")
            }
            return vault
        }

        private mutating func type(_ mapping: [YAMLNode.Pair]) -> (driver: any VaultDriver, place: String)? {
            guard let value = mapping.first(where: { $0.key.scalar == "type" && !$0.value.isNull })?.value
            else {
                mistakes.add(place, "\(path): type is missing; expected \(catalogue.expects)")
                return nil
            }
            guard let text = value.scalar, let driver = catalogue[type: text] else {
                mistakes.add(value, "\(path).type: expected \(catalogue.expects)")
                return nil
            }
            return (driver, mistakes.place(of: value))
        }

        private func unknown(_ word: String) -> String {
            let hint = Spelling.nearest(to: word, among: catalogue.settingNames + ["type"])
            return "unknown setting \(path).\(Spelling.shown(word))"
                + (hint.map { "; did you mean \($0)?" } ?? "; cofferd --print-settings has all settings of each type")
        }

        private mutating func apply(_ setting: AnyVaultSetting, _ node: YAMLNode, to vault: inout VaultConfiguration) {
            let texts: [String]
            switch node.content {
            case .scalar(let text) where !setting.isList: texts = [text]
            case .sequence(let list) where setting.isList:
                let scalars = list.compactMap(\.scalar)
                guard scalars.count == list.count else { fallthrough }
                texts = scalars
            default:
                mistakes.add(node, "\(path).\(setting.name): \(setting.mistake([]))")
                return
            }
            guard !setting.apply(texts, &vault) else { return }
            mistakes.add(node, "\(path).\(setting.name): \(setting.mistake(texts))")
        }
    }
}
