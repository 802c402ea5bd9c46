import CofferYAML

/// The mistakes found so far in a file, each with its line and column.
struct ConfigurationDiagnostics {
    private let file: String
    private(set) var errors: [ConfigurationError] = []

    /// - Parameter file: how errors call it.
    init(file: String) { self.file = file }

    func place(of node: YAMLNode) -> String { "\(file):\(node.mark.line):\(node.mark.column)" }

    mutating func add(_ node: YAMLNode, _ message: String) { add(place(of: node), message) }

    mutating func add(_ place: String, _ message: String) {
        errors.append(ConfigurationError(place, message))
    }
}
