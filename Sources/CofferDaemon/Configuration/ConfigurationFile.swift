import CofferVaults
import Yams

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
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch YamlError.duplicatedKeysInMapping(let keys, let context) {
            let place = "\(name):\(context.mark.line):\(context.mark.column)"
            throw ConfigurationErrors(keys.map { ConfigurationError(place, "\($0) appears twice") })
        } catch let error as YamlError {
            throw ConfigurationErrors([ConfigurationError(name, "is not YAML: \(plain(error))")])
        } catch {
            throw ConfigurationErrors([ConfigurationError(name, "is not YAML")])
        }
        guard let root, root.null == nil else { return }
        var mistakes = FileMistakes(file: name)
        visit(root, path: "", &configuration, &mistakes)
        readVaults(root, &configuration, &mistakes)
        guard mistakes.errors.isEmpty else { throw ConfigurationErrors(mistakes.errors) }
    }

    /// What is no single value.
    private static func readVaults(
        _ root: Node, _ configuration: inout Configuration, _ mistakes: inout FileMistakes
    ) {
        guard case .mapping(let mapping) = root else { return }
        // What is null is not set.
        func section(_ name: String) -> (key: Node, value: Node)? {
            mapping.first { $0.key.scalar?.string == name && $0.value.null == nil }
        }
        let routes = section("routes")
        guard let vaults = section("vaults") else {
            if let routes {
                mistakes.add(routes.key, "routes: there is no vaults section whose vaults they could name")
            }
            return
        }
        let place = mistakes.place(of: vaults.key)
        let before = mistakes.errors.count
        configuration.places["vaults"] = place
        configuration.vaults = VaultsSection.read(vaults.value, configuration.catalogue, &mistakes)
        // A vault that could not be read would be told as a route's mistake too.
        guard mistakes.errors.count == before || configuration.vaults.count == vaults.value.mapping?.count else { return }
        configuration.routes = RoutesSection.read(
            routes?.value, vaults: configuration.vaults, place: place, &mistakes)
    }

    private static func visit(
        _ node: Node, path: String, _ configuration: inout Configuration, _ mistakes: inout FileMistakes
    ) {
        switch node {
        case .mapping(let mapping):
            if Setting.named(path) != nil {
                mistakes.add(node, "\(path) is a single value, not a mapping")
                return
            }
            visit(mapping, path: path, &configuration, &mistakes)
        case .scalar(let scalar):
            guard let setting = Setting.named(path) else {
                // A section in which nothing is set.
                if node.null == nil { mistakes.add(node, "expected a mapping of settings, got a single value") }
                return
            }
            if node.null != nil { return }
            configuration.places[path] = mistakes.place(of: node)
            if !setting.apply(scalar.string, &configuration) {
                mistakes.add(node, "\(path): \(setting.mistake(scalar.string, configuration))")
            }
        default:
            mistakes.add(node, "expected a mapping or a single value, got a list")
        }
    }

    private static func visit(
        _ mapping: Node.Mapping, path: String, _ configuration: inout Configuration,
        _ mistakes: inout FileMistakes
    ) {
        var seen: Set<String> = []
        for (key, value) in mapping {
            let word = key.scalar?.string ?? ""
            let inner = path.isEmpty ? word : "\(path).\(word)"
            guard seen.insert(word).inserted else {
                mistakes.add(key, "\(inner) appears twice")
                continue
            }
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
        return "unknown setting \(path)\(hint ?? "; cofferd --check prints all settings")"
    }

    /// Yams' own description quotes lines of the file, which could hold anything.
    private static func plain(_ error: YamlError) -> String {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            "line \(mark.line), column \(mark.column): \(problem)"
        default: "it does not parse"
        }
    }
}

/// All the mistakes found at once.
package struct ConfigurationErrors: Error, Equatable, Sendable {
    package let errors: [ConfigurationError]
    package init(_ errors: [ConfigurationError]) { self.errors = errors }
}
