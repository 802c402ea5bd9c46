import Yams

/// The mistakes found so far in a file, each with its line and column.
struct FileMistakes {
    private let file: String
    private(set) var errors: [ConfigurationError] = []

    /// - Parameter file: how errors call it.
    init(file: String) { self.file = file }

    func place(of node: Node) -> String {
        node.mark.map { "\(file):\($0.line):\($0.column)" } ?? file
    }

    mutating func add(_ node: Node, _ message: String) { add(place(of: node), message) }

    mutating func add(_ place: String, _ message: String) {
        errors.append(ConfigurationError(place, message))
    }
}
