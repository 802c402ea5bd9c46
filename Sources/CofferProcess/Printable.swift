/// Texts that came from outside, made fit for a terminal: what would move the cursor, change
/// the direction of writing or not be seen at all is shown as `\u{1b}`.
package enum Printable {
    /// For a message. Line feeds are escaped too, so it stays one line.
    package static func line(_ text: String) -> String { escape(text, alsoBackslash: false) }

    /// For one field of a line: two different texts stay different.
    package static func field(_ text: String) -> String { escape(text, alsoBackslash: true) }

    /// For a text of several lines; bytes that are not UTF-8 become `\x{e9}`.
    ///
    /// - Parameter isWhole: set to false if something was escaped.
    package static func lines(_ bytes: UnsafeRawBufferPointer, isWhole: inout Bool) -> String {
        isWhole = true
        var result = String.UnicodeScalarView()
        var rest = bytes[...]
        while let first = rest.first {
            // The longest a scalar can be; the first that decodes is it.
            let lengths = (1...4).prefix(rest.count)
            let found = lengths.lazy.compactMap { String(validating: rest.prefix($0), as: UTF8.self) }.first
            if let found, let scalar = found.unicodeScalars.first {
                append(scalar, to: &result, isWhole: &isWhole)
                rest = rest.dropFirst(found.utf8.count)
            } else {
                isWhole = false
                result.append(contentsOf: "\\x{\(String(first, radix: 16))}".unicodeScalars)
                rest = rest.dropFirst()
            }
        }
        return String(result)
    }

    /// The same inside of JSON, where all of these can only stand in strings.
    package static func json(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            guard isHidden(scalar), scalar != "\n" else {
                result.append(scalar)
                continue
            }
            for unit in UTF16.encode(scalar) ?? UTF16.encodedReplacementCharacter {
                let digits = String(unit, radix: 16)
                let zeros = String(repeating: "0", count: 4 - digits.count)
                result.append(contentsOf: "\\u\(zeros)\(digits)".unicodeScalars)
            }
        }
        return String(result)
    }

    private static func append(
        _ scalar: Unicode.Scalar, to result: inout String.UnicodeScalarView, isWhole: inout Bool
    ) {
        if isHidden(scalar) && scalar != "\n" && scalar != "\t" {
            isWhole = false
            result.append(contentsOf: escaped(scalar).unicodeScalars)
        } else {
            result.append(scalar)
        }
    }

    private static func escape(_ text: String, alsoBackslash: Bool) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if isHidden(scalar) {
                result.append(contentsOf: escaped(scalar).unicodeScalars)
            } else if scalar == "\\" && alsoBackslash {
                result.append(contentsOf: "\\\\".unicodeScalars)
            } else {
                result.append(scalar)
            }
        }
        return String(result)
    }

    private static func escaped(_ scalar: Unicode.Scalar) -> String { "\\u{\(String(scalar.value, radix: 16))}" }

    /// Control characters, marks of direction and other invisible ones, and line separators.
    private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
        // Most of what there is, without the tables.
        if scalar.value >= 0x20 && scalar.value < 0x7f { return false }
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: return true
        default: return false
        }
    }
}
