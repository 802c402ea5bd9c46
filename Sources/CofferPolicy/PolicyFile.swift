package import CofferAccess
import CofferProcess
package import CofferYAML

/// Reads a policy from YAML: a mapping with the lists `allow` and `deny`. docs/policy.md tells what is in them.
package enum PolicyFile {
    /// As for the configuration: 1 MiB.
    package static let maximumBytes = 1 << 20

    /// - Parameters:
    ///   - text: the content of a file.
    ///   - host: says which users and groups there are.
    /// - Throws: every mistake there is, each with its line and column, in their order.
    package static func read(_ text: String, _ host: HostNames) throws(PolicyMistakes) -> Policy {
        let root: YAMLNode?
        do throws(YAMLError) {
            root = try YAMLDocument.parse(text)
        } catch {
            throw PolicyMistakes(error)
        }
        guard let root else { throw PolicyMistakes([PolicyMistake(line: 1, column: 1, PolicyReader.emptyPolicy)]) }
        return try read(root, host)
    }

    /// - Parameter node: where the policy stands in a larger file.
    package static func read(_ node: YAMLNode, _ host: HostNames) throws(PolicyMistakes) -> Policy {
        var reader = PolicyReader(host)
        let policy = reader.policy(node)
        guard reader.mistakes.isEmpty else {
            let places = reader.mistakes.enumerated().sorted {
                ($0.element.line, $0.element.column, $0.offset) < ($1.element.line, $1.element.column, $1.offset)
            }
            throw PolicyMistakes(places.map(\.element))
        }
        return policy
    }
}

/// The users and groups of a host, passed in: tests pass their own, and a check on another host names that it has not.
package struct HostNames: Sendable {
    /// The number of a user; nil if there is none of this name.
    let uid: @Sendable (String) -> UInt32?
    /// The number of a group; nil if there is none of this name.
    let gid: @Sendable (String) -> UInt32?
    /// Whoever has these numbers can be anybody.
    let overflow: OverflowIDs

    package init(
        uid: @escaping @Sendable (String) -> UInt32?, gid: @escaping @Sendable (String) -> UInt32?,
        overflow: OverflowIDs = OverflowIDs()
    ) {
        self.uid = uid
        self.gid = gid
        self.overflow = overflow
    }
}

/// A mistake in a policy: where it is and what would be right.
package struct PolicyMistake: Equatable, Sendable {
    /// Both from 1 on; a column is a Unicode scalar.
    package let line, column: Int
    package let message: String

    init(line: Int, column: Int, _ message: String) {
        self.line = line
        self.column = column
        self.message = message
    }

    init(_ mark: YAMLMark, _ message: String) { self.init(line: mark.line, column: mark.column, message) }
}

/// All the mistakes found at once, at least one.
package struct PolicyMistakes: Error, Equatable, Sendable {
    package let mistakes: [PolicyMistake]

    init(_ mistakes: [PolicyMistake]) { self.mistakes = mistakes }

    fileprivate init(_ error: YAMLError) {
        switch error {
        case .malformed(let problem, let mark):
            mistakes = [PolicyMistake(mark, "is not YAML: \(problem)\(Self.hint(problem))")]
        case .duplicates(let keys):
            mistakes = keys.map { PolicyMistake($0.mark, "\(Spelling.shown($0.scalar ?? "")) appears twice") }
        }
    }

    /// What most often makes the parser say this in a policy.
    private static func hint(_ problem: String) -> String {
        let hints = [
            // What a pattern begins with means something else to YAML.
            ("alphabetic or numeric", "; put patterns with * in quotes"),
            ("expected ',' or", "; put patterns with ${…} in quotes"),
            ("unknown escape", "; put patterns with \\ in single quotes"),
            ("cannot start any token", "; indent with spaces, not tabs, and put what begins with @, % or ` in quotes"),
        ]
        return hints.first { problem.contains($0.0) }?.1 ?? ""
    }
}
