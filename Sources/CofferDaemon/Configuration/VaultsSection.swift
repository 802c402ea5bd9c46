import Yams

/// Reads `vaults:`, a mapping of a vault's name to its settings.
enum VaultsSection {
    static let maximumVaults = 64

    /// - Returns: the vaults, each as far as it could be read.
    static func read(_ node: Node, _ mistakes: inout FileMistakes) -> [VaultConfiguration] {
        guard case .mapping(let mapping) = node, !mapping.isEmpty else {
            mistakes.add(node, "vaults: expected a mapping of names to vaults")
            return []
        }
        guard mapping.count <= maximumVaults else {
            mistakes.add(node, "vaults: expected at most \(maximumVaults) vaults, got \(mapping.count)")
            return []
        }
        var vaults: [VaultConfiguration] = []
        for (key, value) in mapping {
            guard let name = key.scalar?.string, isName(name) else {
                mistakes.add(
                    key, "vaults: expected a name of 1 to 32 lower-case letters, digits and -")
                continue
            }
            var vault = VaultConfiguration(name: name)
            vault.places[""] = mistakes.place(of: key)
            read(value, into: &vault, &mistakes)
            vaults.append(vault)
        }
        return vaults
    }

    private static func read(
        _ node: Node, into vault: inout VaultConfiguration, _ mistakes: inout FileMistakes
    ) {
        let path = "vaults.\(vault.name)"
        let isNull = node.null != nil
        guard let mapping = isNull ? Node.Mapping([]) : node.mapping else {
            mistakes.add(node, "\(path): expected a mapping with the vault's type and settings")
            return
        }
        let before = mistakes.errors.count
        for (key, value) in mapping {
            let word = key.scalar?.string ?? ""
            guard let setting = VaultSetting.named(word) else {
                let hint = VaultSetting.suggestion(for: word).map { "; did you mean \($0)?" }
                mistakes.add(
                    key, "unknown setting \(path).\(word)\(hint ?? "; the manual's page on vaults' settings has all")")
                continue
            }
            if value.null != nil { continue }
            vault.places[word] = mistakes.place(of: value)
            apply(setting, value, path: "\(path).\(word)", &vault, &mistakes)
        }
        // What one mistake has left unset would be told as more mistakes.
        guard mistakes.errors.count == before else { return }
        for (name, message) in VaultRules.mistakes(in: vault) {
            mistakes.add(
                vault.places[name] ?? mistakes.place(of: node),
                name.isEmpty ? "\(path): \(message)" : "\(path).\(name): \(message)")
        }
    }

    private static func apply(
        _ setting: VaultSetting, _ node: Node, path: String, _ vault: inout VaultConfiguration,
        _ mistakes: inout FileMistakes
    ) {
        let texts: [String]
        switch node {
        case .scalar(let scalar) where !setting.isList: texts = [scalar.string]
        case .sequence(let list) where setting.isList:
            let scalars = list.compactMap { $0.scalar?.string }
            guard scalars.count == list.count else { fallthrough }
            texts = scalars
        default:
            mistakes.add(node, "\(path): expected \(setting.expects)")
            return
        }
        guard !setting.apply(texts, &vault) else { return }
        mistakes.add(node, "\(path): \(setting.explain?(texts.first ?? "") ?? "expected \(setting.expects)")")
    }

    static func isName(_ name: String) -> Bool {
        (1...32).contains(name.utf8.count)
            && name.utf8.allSatisfy {
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "-")
            }
    }
}
