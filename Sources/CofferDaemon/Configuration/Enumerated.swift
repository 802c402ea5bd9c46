/// Words that stand for one of a few values: blanks and line ends around them and capitals
/// mean nothing, as files and variables come from many hands.
enum Enumerated {
    /// Without white space at its ends, and with ASCII's capitals as small letters.
    static func plain(_ text: String) -> String {
        String(decoding: trimmed(text).utf8.map { $0 &- 65 < 26 ? $0 + 32 : $0 }, as: UTF8.self)
    }

    /// Without white space at its ends.
    static func trimmed(_ text: String) -> String {
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0D).contains($0) }
        var bytes = Array(text.utf8)[...]
        while let last = bytes.last, isSpace(last) { bytes.removeLast() }
        return String(decoding: bytes.drop(while: isSpace), as: UTF8.self)
    }
}

extension CaseIterable where Self: RawRepresentable<String> {
    /// The value that a text names, however it is written; nil if it names none.
    static func meant(by text: String) -> Self? {
        let plain = Enumerated.plain(text)
        return allCases.first { $0.rawValue == plain }
    }
}

/// The name of an environment. All but one are the operator's to choose, so what looks
/// like a mistake for that one is refused: production has rules that the others have not.
enum EnvironmentName {
    static let production = "production"
    static let expects = "a name of 1 to 64 bytes without control characters, for instance production"

    /// The name; nil if it is none, or nearly production.
    static func meant(by text: String) -> String? {
        let name = Enumerated.trimmed(text)
        guard (1...64).contains(name.utf8.count), name.unicodeScalars.allSatisfy({ !isInvisible($0) }) else { return nil }
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

    private static func isInvisible(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }
}
