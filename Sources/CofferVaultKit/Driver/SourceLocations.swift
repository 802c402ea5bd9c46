/// Where settings were made, for the errors that are found later: "coffer.yaml:3:7",
/// "VAULT_ADDR". Configurations that say the same in other places are equal.
package struct SourceLocations: Equatable, Sendable {
    private var locations: [String: String] = [:]

    package init() {}

    package subscript(name: String) -> String? {
        get { locations[name] }
        set { locations[name] = newValue }
    }

    package static func == (a: SourceLocations, b: SourceLocations) -> Bool { true }
}
