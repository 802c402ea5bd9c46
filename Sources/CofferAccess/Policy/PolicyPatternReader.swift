import CofferCore

/// Reads the text of a pattern.
struct PolicyPatternReader {
    private static let signs: Set<Unicode.Scalar> = ["*", "?", "[", "]", "{", "}", "$", "\\"]

    private var rest: Substring.UnicodeScalarView
    private let bytes: Int
    private let hasControl: Bool
    private let hasVariables: Bool
    private(set) var symbols: [PolicyPattern.Symbol] = []
    /// How many symbols come before the star; nil = no star.
    private(set) var star: Int?

    init(_ text: String, hasVariables: Bool) {
        rest = Substring(text).unicodeScalars
        bytes = text.utf8.count
        hasControl = text.utf8.containsControlCharacter
        self.hasVariables = hasVariables
    }

    /// Whether it stands for itself only behind a backslash.
    static func isSign(_ scalar: Unicode.Scalar) -> Bool { signs.contains(scalar) }

    mutating func read() throws(PolicyPatternError) {
        guard (1...PolicyPattern.maximumBytes).contains(bytes) else { throw .length(bytes) }
        guard !hasControl else { throw .controlCharacter }
        while let scalar = rest.popFirst() {
            switch scalar {
            case "\\": try readEscape()
            case "$": try readVariable()
            case "*":
                guard star == nil else { throw .secondStar }
                star = symbols.count
            case _ where Self.isSign(scalar): throw .reserved(Character(scalar))
            default: append(scalar)
            }
        }
    }

    private mutating func append(_ scalar: Unicode.Scalar) {
        symbols += UTF8.encode(scalar).map { $0.map { .byte($0) } } ?? []
    }

    private mutating func readEscape() throws(PolicyPatternError) {
        guard let scalar = rest.popFirst(), Self.isSign(scalar) else { throw .escape }
        append(scalar)
    }

    private mutating func readVariable() throws(PolicyPatternError) {
        guard rest.popFirst() == "{", let end = rest.firstIndex(of: "}") else { throw .dollar }
        let name = String(rest[..<end])
        guard hasVariables else { throw .noVariables }
        guard let variable = CallerVariable(rawValue: name) else { throw .unknownVariable(name) }
        symbols.append(.variable(variable))
        rest = rest[rest.index(after: end)...]
    }
}

/// What is wrong with a pattern.
package enum PolicyPatternError: Error, Equatable, Sendable, CustomStringConvertible {
    /// In bytes.
    case length(Int)
    case controlCharacter
    case secondStar
    /// A sign with a meaning elsewhere and none here.
    case reserved(Character)
    /// A backslash before what needs none.
    case escape
    /// A dollar sign that begins no variable.
    case dollar
    case noVariables
    case unknownVariable(String)

    package var description: String {
        switch self {
        case .length(let bytes): "expected 1 to \(PolicyPattern.maximumBytes) bytes, got \(bytes)"
        case .controlCharacter: "must not hold control characters (U+0000 to U+001F, U+007F to U+009F)"
        case .secondStar: "expected one * at most; write \\* for a star that stands for itself"
        case .reserved(let sign): "\(sign) has no meaning in a pattern; write \\\(sign) if it stands for itself"
        case .escape: "expected one of * ? [ ] { } $ \\ behind a backslash; write \\\\ for a backslash"
        case .dollar: "expected ${\(CallerVariable.user.rawValue)} or another variable; write \\$ for a dollar sign"
        case .noVariables: "there are no variables here; write \\$ for a dollar sign"
        case .unknownVariable: "expected one of the variables \(CallerVariable.allCases.map { "${\($0.rawValue)}" }.joined(separator: ", "))"
        }
    }
}
