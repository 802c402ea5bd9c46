/// Words that stand for one of a few values: blanks and line ends around them and capitals
/// mean nothing, as files and variables come from many hands.
package enum Enumerated {
    /// Without white space at its ends, and with ASCII's capitals as small letters.
    package static func plain(_ text: String) -> String {
        String(decoding: trimmed(text).utf8.map { $0 &- 65 < 26 ? $0 + 32 : $0 }, as: UTF8.self)
    }

    /// Without white space at its ends.
    package static func trimmed(_ text: String) -> String {
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0D).contains($0) }
        var bytes = Array(text.utf8)[...]
        while let last = bytes.last, isSpace(last) { bytes.removeLast() }
        return String(decoding: bytes.drop(while: isSpace), as: UTF8.self)
    }

    /// All words of a type, for people.
    package static func words<C: CaseIterable & RawRepresentable<String>>(_ type: C.Type) -> String {
        C.allCases.map(\.rawValue).joined(separator: ", ")
    }
}

extension CaseIterable where Self: RawRepresentable<String> {
    /// The value that a text names, however it is written; nil if it names none.
    package static func meant(by text: String) -> Self? {
        let plain = Enumerated.plain(text)
        return allCases.first { $0.rawValue == plain }
    }
}
