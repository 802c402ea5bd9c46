import CofferCore

/// A pattern of a policy: text that stands for itself, at most one `*` for any run of bytes, an empty one too, and
/// variables of the caller.
///
/// `\` takes the meaning from what follows; the signs that other pattern languages know are refused without it, so that
/// none is taken for something it is not. By bytes: upper and lower case differ, and so do texts that only look alike.
package struct PolicyPattern: Hashable, Sendable {
    /// The longest pattern as it is written, in bytes of UTF-8.
    package static let maximumBytes = 512

    /// A byte, or a variable that stands for at least one.
    enum Symbol: Hashable, Sendable {
        case byte(UInt8)
        case variable(CallerVariable)
    }

    /// As it was written.
    package let text: String
    /// What comes before the star; everything if it has no star.
    let prefix: [Symbol]
    /// What comes after the star.
    let suffix: [Symbol]
    let hasStar: Bool

    /// Everything matches.
    package static let any = PolicyPattern(text: "*", prefix: [], suffix: [], hasStar: true)

    private init(text: String, prefix: [Symbol], suffix: [Symbol], hasStar: Bool) {
        self.text = text
        self.prefix = prefix
        self.suffix = suffix
        self.hasStar = hasStar
    }

    /// - Parameter hasVariables: whether it may name variables.
    package init(_ text: String, hasVariables: Bool = true) throws(PolicyPatternError) {
        var reader = PolicyPatternReader(text, hasVariables: hasVariables)
        try reader.read()
        self.init(
            text: text, prefix: reader.star.map { Array(reader.symbols[..<$0]) } ?? reader.symbols,
            suffix: reader.star.map { Array(reader.symbols[$0...]) } ?? [], hasStar: reader.star != nil)
    }

    /// The pattern of a text that stands for itself.
    package init(literal text: String) {
        self.init(text: Self.escaped(text), prefix: text.utf8.map { .byte($0) }, suffix: [], hasStar: false)
    }

    package var isAny: Bool { hasStar && prefix.isEmpty && suffix.isEmpty }

    package var hasVariables: Bool { !variables.isEmpty }

    /// Those that it names, in order.
    package var variables: [CallerVariable] {
        (prefix + suffix).compactMap { if case .variable(let variable) = $0 { variable } else { nil } }
    }

    /// The bytes that it has at least, each variable counted as one.
    package var minimumBytes: Int { prefix.count + suffix.count }

    /// Whether everything that `other` matches is matched by this one, whatever the variables stand for.
    ///
    /// False also where only the values of variables could tell.
    package func covers(_ other: Self) -> Bool {
        guard hasStar else { return !other.hasStar && prefix == other.prefix }
        if other.hasStar { return other.prefix.starts(with: prefix) && other.suffix.reversed().starts(with: suffix.reversed()) }
        return other.prefix.count >= minimumBytes && other.prefix.starts(with: prefix)
            && other.prefix.reversed().starts(with: suffix.reversed())
    }

    /// With the values of a caller's variables, which stand for themselves whatever is in them.
    ///
    /// - Returns: nil if one has no value.
    func bound(to caller: Caller?) -> BoundPattern? {
        let (prefix, suffix) = (Self.bytes(prefix, caller), Self.bytes(suffix, caller))
        guard prefix.isWhole, suffix.isWhole else { return nil }
        return BoundPattern(prefix: prefix.bytes, suffix: suffix.bytes, hasStar: hasStar)
    }

    /// The same, but variables without a value stand for anything, and with them what is between the first and the last
    /// of these and the star.
    func widened(to caller: Caller) -> BoundPattern {
        let start = Self.bytes(prefix, caller)
        let end = Self.bytes((hasStar ? suffix : prefix).reversed(), caller, isReversed: true)
        guard hasStar || !start.isWhole else { return BoundPattern(prefix: start.bytes, suffix: [], hasStar: false) }
        return BoundPattern(prefix: start.bytes, suffix: end.bytes.reversed(), hasStar: true)
    }

    /// The bytes of symbols up to the first variable without a value; of reversed ones, reversed.
    private static func bytes(
        _ symbols: some Collection<Symbol>, _ caller: Caller?, isReversed: Bool = false
    ) -> (bytes: [UInt8], isWhole: Bool) {
        var bytes: [UInt8] = []
        for symbol in symbols {
            switch symbol {
            case .byte(let byte): bytes.append(byte)
            case .variable(let variable):
                guard let value = caller?.value(of: variable) else { return (bytes, false) }
                bytes += isReversed ? value.reversed() : value
            }
        }
        return (bytes, true)
    }

    /// Whether a text that is no id matches: the name of a unit, a path.
    package func matches(_ text: String) -> Bool { bound(to: nil)?.matches(Array(text.utf8)) ?? false }

    /// What stands for exactly this text.
    package static func escaped(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if PolicyPatternReader.isSign(scalar) { result.append("\\") }
            result.append(scalar)
        }
        return String(result)
    }
}

/// A pattern without variables.
struct BoundPattern: Hashable, Sendable {
    let prefix: [UInt8]
    let suffix: [UInt8]
    let hasStar: Bool

    var isAny: Bool { hasStar && prefix.isEmpty && suffix.isEmpty }

    /// Whether there is an id that is long and short enough to match.
    var canMatch: Bool { prefix.count + suffix.count <= RecordKey.maximumIDBytes && (hasStar || !prefix.isEmpty) }

    func matches(_ text: [UInt8]) -> Bool {
        guard hasStar else { return text == prefix }
        return text.count >= prefix.count + suffix.count && text.starts(with: prefix) && text.suffix(suffix.count).elementsEqual(suffix)
    }

    /// Whether some text may match both. True for some that only a text longer than any id could match.
    func overlaps(_ other: Self) -> Bool {
        guard hasStar else { return other.matches(prefix) }
        guard other.hasStar else { return matches(other.prefix) }
        let isPrefixShared = zip(prefix, other.prefix).allSatisfy(==)
        return isPrefixShared && zip(suffix.reversed(), other.suffix.reversed()).allSatisfy(==)
    }
}
