internal import CofferCore

/// Many random pairs of ids, and the names that a vault gives them.
package struct NameSurvey {
    /// Ids of these are often almost the same; some are long, and some look like what a vault's escapes are made of.
    private static let pieces: [[UInt8]] = [
        "a", "b", "A", "0", "h", ":", "%", "3", "25", "3A", "%3A", "%25", "=", "=2F", "2f", "/", ".", "..", " ", "-", "_", "|", "@",
        "ü", "u\u{308}", "\u{a0}", "\u{2028}", "李", "🗝", "+", "#", "?", "&", "\\", "\"", "~", "-h-", "me", "ovzwk4rrgizq", "-AbCdEf",
        "user123", "auth0|", "@example.com", "coffer.check",
    ].map { Array($0.utf8) }

    private let scheme: NamingScheme
    /// Of a name and of its ids; equal ones of the former have equal ones of the latter.
    private var seen: [(name: UInt64, ids: UInt64)] = []
    private var state: UInt64

    /// - Parameter seed: not 0.
    package init(_ scheme: NamingScheme, seed: UInt64) {
        self.scheme = scheme
        state = seed
    }

    /// What is wrong with a name.
    package struct Violation: Error, CustomStringConvertible {
        package let description: String
    }

    /// Every name is legal, leads back to its ids where the vault reads them out of it, is the guide's for ids of letters and
    /// digits, and is no other pair's.
    package mutating func run(pairs: Int) throws(Violation) {
        seen.reserveCapacity(pairs)
        for _ in 0..<pairs {
            let key = RecordKey(checkedUser: id(), connection: id())
            let name = scheme.name(key)
            try check(name, of: key)
            seen.append((Self.hash(name.utf8, 0), Self.hash(key.connection.utf8, Self.hash(key.user.utf8, 1))))
        }
        // Two texts in a million share such a hash by chance in one of 30 million surveys.
        seen.sort { $0.name < $1.name }
        for (one, other) in zip(seen, seen.dropFirst()) where one.name == other.name && one.ids != other.ids {
            throw Violation(description: "two of these pairs have one name")
        }
    }

    private func check(_ name: String, of key: RecordKey) throws(Violation) {
        let isPlain = key.user.utf8.allSatisfy(\.isLetterOrDigit) && key.connection.utf8.allSatisfy(\.isLetterOrDigit)
        let problem: String
        if !scheme.legal.contains(name.utf8.count) || !scheme.isLegal(name) {
            problem = "which the vault refuses"
        } else if let read = scheme.key, read(name, key) != key {
            problem = "which is read as another pair's"
        } else if isPlain, let guide = scheme.guide, name != guide.start + key.user + guide.separator + key.connection {
            problem = "which is not the guide's"
        } else {
            return
        }
        let ids = "\(key.user.debugDescription) and \(key.connection.debugDescription)"
        throw Violation(description: "\(ids) have the name \(name), \(problem)")
    }

    private mutating func id() -> String {
        var id: [UInt8] = []
        for _ in 0...draw(4) { id += Self.pieces[draw(Self.pieces.count)] }
        if draw(32) == 0 { id += [UInt8](repeating: 0x78, count: 30 + draw(60)) }
        return String(decoding: id, as: UTF8.self)
    }

    /// By xorshift64*.
    private mutating func draw(_ bound: Int) -> Int {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return Int((state &* 0x2545_F491_4F6C_DD1D) >> 33) % bound
    }

    /// Its bytes and their number, mixed as SplitMix64 does.
    private static func hash(_ text: String.UTF8View, _ start: UInt64) -> UInt64 {
        var word = start &+ UInt64(text.count)
        for byte in text {
            word = (word ^ UInt64(byte)) &+ 0x9e37_79b9_7f4a_7c15
            word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
            word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
            word ^= word >> 31
        }
        return word
    }
}
