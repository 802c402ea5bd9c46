import CofferProcess
import CofferVaultKit

/// The name of an environment. All but one are the operator's to choose, so what looks
/// like a mistake for that one is refused: production has rules that the others have not.
enum EnvironmentName {
    static let production = "production"
    static let expects = "a name of 1 to 64 bytes without white space, # and control characters, for instance production"

    /// The name; nil if it is none, or nearly production.
    static func meant(by text: String) -> String? {
        let name = Enumerated.trimmed(text)
        guard (1...64).contains(name.utf8.count), name.unicodeScalars.allSatisfy({ !isForbidden($0) }) else { return nil }
        let plain = Enumerated.plain(name)
        if plain == production { return production }
        return isNearlyProduction(plain) ? nil : name
    }

    static func mistake(_ text: String) -> String {
        isNearlyProduction(Enumerated.plain(text))
            ? "this is nearly production; write production, or choose a name that nobody can confuse with it"
            : "expected \(expects)"
    }

    private static func isNearlyProduction(_ plain: String) -> Bool {
        ["prod", "prd"].contains(plain) || (plain != production && Spelling.distance(plain, production) <= 2)
    }

    private static func isForbidden(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .lineSeparator, .paragraphSeparator: true
        // What is left of a comment, as in `production # live`, is no part of a name.
        default: scalar == "#" || scalar.properties.isWhitespace
        }
    }
}
