/// A value of a YAML document, and where it begins.
package struct YAMLNode: Equatable, Sendable {
    package enum Content: Equatable, Sendable {
        /// What is written there, without quotes.
        case scalar(String)
        case sequence([YAMLNode])
        /// In the order of the text. No two keys are the same text.
        case mapping([Pair])
    }

    /// An entry of a mapping.
    package struct Pair: Equatable, Sendable {
        package let key: YAMLNode
        package let value: YAMLNode
    }

    package let content: Content
    package let mark: YAMLMark
    /// It stands for nothing: an empty value, `~` or `null` without quotes.
    package let isNull: Bool

    package var scalar: String? {
        guard case .scalar(let text) = content else { return nil }
        return text
    }

    package var sequence: [YAMLNode]? {
        guard case .sequence(let elements) = content else { return nil }
        return elements
    }

    package var mapping: [Pair]? {
        guard case .mapping(let pairs) = content else { return nil }
        return pairs
    }
}

/// A place in a text.
package struct YAMLMark: Equatable, Sendable {
    /// Both from 1 on; a column is a Unicode scalar.
    package let line, column: Int
}

/// Why a text is refused. Quotes nothing of it but keys.
package enum YAMLError: Error, Equatable, Sendable {
    /// libyaml's words, or ours for what goes beyond the limits.
    case malformed(problem: String, YAMLMark)
    /// Keys that a mapping has more than once, each where it comes first.
    case duplicates([YAMLNode])
}
