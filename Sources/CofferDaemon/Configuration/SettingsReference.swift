import CofferVaultCatalogue
package import CofferVaultKit

/// Every setting of the daemon and of each type of vault, from the same declarations that read
/// them: what `cofferd --print-settings` prints, and what the manual's tables are made of.
package struct SettingsReference: Sendable {
    /// How it is printed.
    package enum Form: String, CaseIterable, Sendable {
        /// For people.
        case text
        /// An array of objects, one a setting.
        case json
        /// Rows of the manual's tables.
        case markdown
    }

    package struct Row: Sendable {
        /// As in the file: "limits.connections", "vaults.NAME.mount".
        package let path: String
        /// The types of vault that have it; empty = it is no vault's.
        package let types: [String]
        /// For people: "8192", "required".
        package let standard: String
        /// "a whole number from 1 to 1000000".
        package let expects: String
        /// Environment variables that set it.
        package let variables: [String]
        /// A running daemon takes it when it is reloaded.
        package let isReloadable: Bool
        package let summary: String
        /// "" = nothing to say.
        package let risk: String
    }

    package let rows: [Row]
    private let allTypes: Int

    package init(_ catalogue: VaultCatalogue = .standard) {
        allTypes = catalogue.drivers.count
        let defaults = Configuration(catalogue: catalogue)
        rows = Setting.all.map { Self.row($0, defaults) } + Self.vaultRows(catalogue)
    }

    private static func row(_ setting: Setting, _ defaults: Configuration) -> Row {
        let value = setting.show(defaults)
        return Row(
            path: setting.path, types: [], standard: value.isEmpty ? setting.unset : value,
            expects: setting.path == "vault.type" ? defaults.catalogue.expects : setting.expects,
            variables: ConfigurationLoader.variables.filter { $0.path == setting.path }.map(\.name),
            isReloadable: setting.isReloadable, summary: setting.summary, risk: setting.risk)
    }

    private static func vaultRows(_ catalogue: VaultCatalogue) -> [Row] {
        let type = Row(
            path: "vaults.NAME.type", types: catalogue.drivers.map(\.type), standard: "required",
            expects: catalogue.expects, variables: ["VAULT_TYPE"],
            isReloadable: false, summary: catalogue.drivers.map { "`\($0.type)` is \($0.title)" }.joined(separator: "; "),
            risk: "A vault that keeps its records in the data folder begins empty under a new name. Production refuses one that keeps nothing")
        return [type]
            + catalogue.settingNames.compactMap { name in
                let drivers = catalogue.drivers.filter { driver in driver.settings.contains { $0.name == name } }
                guard let setting = drivers.first?.settings.first(where: { $0.name == name }) else { return nil }
                var variables: [String] = []
                for variable in drivers.flatMap({ $0.settings.filter { $0.name == name } }).flatMap(\.variables)
                where !variables.contains(variable) {
                    variables.append(variable)
                }
                return Row(
                    path: "vaults.NAME.\(name)", types: drivers.map(\.type), standard: setting.standard,
                    expects: setting.expects, variables: variables, isReloadable: false, summary: setting.summary, risk: setting.risk)
            }
    }

    package func printed(as form: Form) -> String {
        switch form {
        case .text: rows.map(text).joined(separator: "\n")
        case .json: "[\n" + rows.map { "  " + json($0) }.joined(separator: ",\n") + "\n]\n"
        case .markdown: rows.map { markdown($0) + "\n" }.joined()
        }
    }

    /// The rows of one table of the manual, with its head.
    ///
    /// - Parameter prefixes: of the paths of its settings.
    package func table(of prefixes: [String]) -> String {
        let rows = rows.filter { row in prefixes.contains { row.path == $0 || row.path.hasPrefix($0 + ".") } }
        return "| setting | default | expected | meaning | risk |\n| --- | --- | --- | --- | --- |\n"
            + rows.map { markdown($0) + "\n" }.joined()
    }

    private func owners(_ row: Row) -> String { row.types.map { "`\($0)`" }.joined(separator: ", ") }

    private func isOfSome(_ row: Row) -> Bool { !row.types.isEmpty && row.types.count < allTypes }

    private func markdown(_ row: Row) -> String {
        let meaning = (isOfSome(row) ? "\(owners(row)): " : "") + row.summary + (row.isReloadable ? ". *Reloadable*" : "")
        return "| `\(row.path)` | \(row.standard) | \(row.expects) | \(meaning) | \(row.risk) |"
    }

    private func text(_ row: Row) -> String {
        var lines = [row.path, "    \(Self.unmarked(row.summary))", "    default: \(Self.unmarked(row.standard)); expected: \(row.expects)"]
        if isOfSome(row) { lines.append("    only for vaults of type \(row.types.joined(separator: ", "))") }
        if !row.variables.isEmpty { lines.append("    environment: \(row.variables.joined(separator: ", "))") }
        if row.isReloadable { lines.append("    reloadable: SIGHUP puts a new value in force") }
        if !row.risk.isEmpty { lines.append("    risk: \(Self.unmarked(row.risk))") }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Without Markdown's signs; of a link its words and where it leads, from the repository's root.
    private static func unmarked(_ text: String) -> String {
        var pieces = text.split(separator: "`").joined()
            .split(separator: "](", omittingEmptySubsequences: false).map(String.init)
        // Each piece but the last ends with the words of a link.
        for index in pieces.indices.dropLast() {
            if let opening = pieces[index].lastIndex(of: "[") { pieces[index].remove(at: opening) }
        }
        return pieces.joined(separator: " (docs/")
    }

    private func json(_ row: Row) -> String {
        func string(_ text: String) -> String { "\"\(LineLogHandler.escape(text))\"" }
        func list(_ texts: [String]) -> String { "[\(texts.map(string).joined(separator: ", "))]" }
        return "{\"setting\": \(string(row.path)), \"types\": \(list(row.types)), \"default\": \(string(Self.unmarked(row.standard))), "
            + "\"expected\": \(string(row.expects)), \"environment\": \(list(row.variables)), \"reloadable\": \(row.isReloadable), "
            + "\"summary\": \(string(Self.unmarked(row.summary))), \"risk\": \(string(Self.unmarked(row.risk)))}"
    }
}
