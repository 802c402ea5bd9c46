/// Makes any id a part of a vault's name, so that no two ids make the same part
/// and an id of `[A-Za-z0-9]` alone stays as it is.
///
/// A byte that is not `plain` becomes `=` and two upper-case hex digits. `=` is
/// never plain, so what it starts is always an escape.
package struct NameEscape: Sendable {
    private let isPlain: @Sendable (UInt8) -> Bool

    /// - Parameter punctuation: what stays as it is beside ASCII letters and digits.
    package init(plain punctuation: StaticString) {
        let allowed = Set(punctuation.description.utf8).subtracting([UInt8(ascii: "=")])
        isPlain = { $0.isASCIILetterOrDigit || allowed.contains($0) }
    }

    /// Whether `id` is all plain.
    package func keeps(_ id: String) -> Bool { id.utf8.allSatisfy(isPlain) }

    private static let digits = Array("0123456789ABCDEF".utf8)

    /// - Parameter always: offsets of bytes to escape even if they are plain.
    package func escape(_ id: String, always: Set<Int> = []) -> String {
        var name: [UInt8] = []
        for (offset, byte) in id.utf8.enumerated() {
            if isPlain(byte) && !always.contains(offset) {
                name.append(byte)
            } else {
                name += [UInt8(ascii: "="), Self.digits[Int(byte >> 4)], Self.digits[Int(byte & 15)]]
            }
        }
        return String(decoding: name, as: UTF8.self)
    }

    /// The id that `name` was made from; nil if it was not made by `escape`.
    /// Bytes that are plain but escaped are taken too: see `always`.
    package func unescape(_ name: some StringProtocol) -> String? {
        var id: [UInt8] = []
        var bytes = name.utf8.makeIterator()
        while let byte = bytes.next() {
            if byte == UInt8(ascii: "=") {
                guard let high = bytes.next().flatMap(Self.value), let low = bytes.next().flatMap(Self.value) else {
                    return nil
                }
                id.append(high << 4 | low)
            } else if isPlain(byte) {
                id.append(byte)
            } else {
                return nil
            }
        }
        return String(validating: id, as: UTF8.self)
    }

    private static func value(of digit: UInt8) -> UInt8? {
        digits.firstIndex(of: digit).map { UInt8($0) }
    }
}
