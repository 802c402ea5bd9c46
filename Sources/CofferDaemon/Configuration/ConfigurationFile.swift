import Yams

/// Reads the YAML file: nested mappings of scalars, nothing else.
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
            throw ConfigurationErrors(keys.map { ConfigurationError(place, "\($0) comes twice") })
        } catch let error as YamlError {
            throw ConfigurationErrors([ConfigurationError(name, "is not YAML: \(plain(error))")])
        } catch {
            throw ConfigurationErrors([ConfigurationError(name, "is not YAML")])
        }
        guard let root, root.null == nil else { return }
        var errors: [ConfigurationError] = []
        visit(root, path: "", name: name, &configuration, &errors)
        guard errors.isEmpty else { throw ConfigurationErrors(errors) }
    }

    private static func visit(
        _ node: Node, path: String, name: String, _ configuration: inout Configuration,
        _ errors: inout [ConfigurationError]
    ) {
        let place = node.mark.map { "\(name):\($0.line):\($0.column)" } ?? name
        switch node {
        case .mapping(let mapping):
            if Setting.named(path) != nil {
                errors.append(ConfigurationError(place, "\(path) is a single value, not a mapping"))
                return
            }
            var seen: Set<String> = []
            for (key, value) in mapping {
                let place = key.mark.map { "\(name):\($0.line):\($0.column)" } ?? place
                let word = key.scalar?.string ?? ""
                let inner = path.isEmpty ? word : "\(path).\(word)"
                guard seen.insert(word).inserted else {
                    errors.append(ConfigurationError(place, "\(inner) comes twice"))
                    continue
                }
                guard isKnown(inner) else {
                    errors.append(ConfigurationError(place, unknown(inner)))
                    continue
                }
                visit(value, path: inner, name: name, &configuration, &errors)
            }
        case .scalar(let scalar):
            guard let setting = Setting.named(path) else {
                // A section in which nothing is set.
                if node.null != nil { return }
                errors.append(
                    ConfigurationError(place, "expected a mapping of settings, got a single value"))
                return
            }
            if !setting.apply(scalar.string, &configuration) {
                errors.append(
                    ConfigurationError(place, "\(path): expected \(setting.expects)"))
            }
        default:
            errors.append(ConfigurationError(place, "expected a mapping or a single value, got a list"))
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
