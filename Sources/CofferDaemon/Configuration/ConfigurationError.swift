/// A mistake in the configuration: where it is and what would be right.
/// The process ends with exit code 78 (EX_CONFIG).
package struct ConfigurationError: Error, Equatable, CustomStringConvertible, Sendable {
    /// "coffer.yaml:3:7", "VAULT_TYPE", "--reactors"
    package let place: String
    package let message: String

    package init(_ place: String, _ message: String) {
        self.place = place
        self.message = message
    }

    /// Of a setting, which a variable says itself.
    init(_ place: String, of path: String, _ message: String) {
        let isVariable = ConfigurationLoader.variables.contains { $0.name == place }
        self.init(place, isVariable ? message : "\(path): \(message)")
    }

    package var description: String { "\(place): \(message)" }
}
