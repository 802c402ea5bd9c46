/// Where things were said, for the errors that are found later: "coffer.yaml:3:7",
/// "VAULT_ADDR". Configurations that say the same in other places are equal.
struct Places: Equatable, Sendable {
    private var places: [String: String] = [:]

    subscript(name: String) -> String? {
        get { places[name] }
        set { places[name] = newValue }
    }

    static func == (a: Places, b: Places) -> Bool { true }
}
