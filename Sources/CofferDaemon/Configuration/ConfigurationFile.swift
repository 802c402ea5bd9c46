import CofferProcess
import CofferVaultKit
import CofferYAML

/// Reads the YAML file: nested mappings of scalars, and the two sections `vaults`
/// and `routes`.
package enum ConfigurationFile {
    /// - Parameters:
    ///   - text: the file's content.
    ///   - name: how errors call it.
    /// - Throws: every mistake there is, each with its line and column.
    package static func apply(
        _ text: String, name: String, to configuration: inout Configuration
    ) throws(ConfigurationErrors) {
        var mistakes = ConfigurationDiagnostics(file: name)
        let root: YAMLNode?
        do throws(YAMLError) {
            root = try YAMLDocument.parse(text)
        } catch {
            switch error {
            case .duplicates(let keys):
                for key in keys { mistakes.add(key, "\(Spelling.shown(key.scalar ?? "")) appears twice") }
            case .malformed(let problem, let mark):
                mistakes.add(name, "is not YAML: line \(mark.line), column \(mark.column): \(problem)")
            }
            configuration.mistaken.formUnion(Setting.all.map(\.path) + ["vaults"])
            throw ConfigurationErrors(mistakes.errors)
        }
        guard let root, !root.isNull else { return }
        visit(root, path: "", &configuration, &mistakes)
        readVaults(root, &configuration, &mistakes)
        guard mistakes.errors.isEmpty else { throw ConfigurationErrors(mistakes.errors) }
    }

    /// What is no single value.
    private static func readVaults(
        _ root: YAMLNode, _ configuration: inout Configuration, _ mistakes: inout ConfigurationDiagnostics
    ) {
        guard let mapping = root.mapping else { return }
        // What is null is not set.
        func section(_ name: String) -> YAMLNode.Pair? {
            mapping.first { $0.key.scalar == name && !$0.value.isNull }
        }
        let routes = section("routes")
        guard let vaults = section("vaults") else {
            if let routes {
                mistakes.add(routes.key, "routes: there is no vaults section whose vaults they could name")
                configuration.mistaken.insert("vaults")
            }
            return
        }
        let place = mistakes.place(of: vaults.key)
        let before = mistakes.errors.count
        configuration.places["vaults"] = place
        configuration.vaults = VaultsSection.read(vaults.value, configuration.catalogue, &mistakes)
        defer { if mistakes.errors.count > before { configuration.mistaken.insert("vaults") } }
        // A vault that could not be read would be told as a route's mistake too.
        guard mistakes.errors.count == before || configuration.vaults.count == vaults.value.mapping?.count else { return }
        configuration.routes = RoutesSection.read(
            routes?.value, vaults: configuration.vaults, place: place, &mistakes)
    }

    private static func visit(
        _ node: YAMLNode, path: String, _ configuration: inout Configuration, _ mistakes: inout ConfigurationDiagnostics
    ) {
        switch node.content {
        case .mapping(let mapping):
            if Setting.named(path) != nil {
                mistakes.add(node, "\(path) is a single value, not a mapping")
                configuration.mistaken.insert(path)
                return
            }
            visit(mapping, path: path, &configuration, &mistakes)
        case .scalar(let text):
            guard let setting = Setting.named(path) else {
                // A section in which nothing is set.
                if !node.isNull { mistakes.add(node, "expected a mapping of settings, got a single value") }
                return
            }
            if node.isNull { return }
            // By its whole name, and in a section too.
            if let other = configuration.places[path] {
                mistakes.add(node, "\(path) is set at \(other) too; keep one of the two")
                return
            }
            configuration.places[path] = mistakes.place(of: node)
            if !setting.apply(text, &configuration) {
                configuration.mistaken.insert(path)
                mistakes.add(node, "\(path): \(setting.mistake(text, configuration))")
            }
        case .sequence:
            mistakes.add(node, "expected a mapping or a single value, got a list")
        }
    }

    private static func visit(
        _ mapping: [YAMLNode.Pair], path: String, _ configuration: inout Configuration,
        _ mistakes: inout ConfigurationDiagnostics
    ) {
        for pair in mapping {
            let (key, value) = (pair.key, pair.value)
            let word = key.scalar ?? ""
            let inner = path.isEmpty ? word : "\(path).\(word)"
            if Setting.sections.contains(inner) { continue }
            guard isKnown(inner) else {
                mistakes.add(key, unknown(inner))
                continue
            }
            visit(value, path: inner, &configuration, &mistakes)
        }
    }

    private static func isKnown(_ path: String) -> Bool {
        Setting.all.contains { $0.path == path || $0.path.hasPrefix(path + ".") }
    }

    private static func unknown(_ path: String) -> String {
        let hint = Setting.suggestion(for: path).map { "; did you mean \($0)?" }
        return "unknown setting \(Spelling.shown(path))\(hint ?? "; cofferd --print-settings has all settings")"
    }
}

/// All the mistakes found at once.
package struct ConfigurationErrors: Error, Equatable, Sendable {
    package let errors: [ConfigurationError]
    package init(_ errors: [ConfigurationError]) { self.errors = errors }
}
