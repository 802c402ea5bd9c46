import CofferCore

/// The keys of some rules, with a caller's variables in place, laid out so that a record is looked up without a copy, an
/// allocation or a lock.
///
/// A key for all records comes first. Then the most specific: keys that name one record, found by their hash; those that
/// name one user, too; then those whose user is a pattern, one after the other. Among equals the first in the policy.
struct RuleTable: Sendable {
    /// The keys of one rule with one pattern each.
    struct Key {
        let user: BoundPattern
        let connection: BoundPattern
        let verbs: VerbSet
        /// The rule's place among those of its kind.
        let rule: Int
    }

    /// A key in the table.
    struct Entry: Sendable {
        let user: PackedPattern
        let connection: PackedPattern
        let verbs: VerbSet
        let rule: UInt16
    }

    private let bytes: [UInt8]
    /// Of one record, of one user, of patterns.
    private let entries: [Entry]
    private let records: EntryIndex
    private let users: EntryIndex
    /// Those of the last entries.
    private let heads: [PatternHead]
    /// By verb, the rule that allows it with all records; -1 = none.
    private let wholeRules: [Int16]

    var isEmpty: Bool { entries.isEmpty }
    /// How long the users are that keys name: a bit for each length, by its remainder of 64.
    private let lengths: UInt64

    /// - Parameter keys: in the order of the policy. What can match no id is left out.
    init(_ keys: [Key]) {
        let keys = keys.filter { $0.user.canMatch && $0.connection.canMatch }
        let ofRecords = Self.grouped(keys.filter { !$0.user.hasStar && !$0.connection.hasStar }) { [$0.user.prefix, $0.connection.prefix] }
        let ofUsers = Self.grouped(keys.filter { !$0.user.hasStar && $0.connection.hasStar }) { [$0.user.prefix] }
        let ofPatterns = keys.filter { $0.user.hasStar }
        var bytes: [UInt8] = []
        entries = (ofRecords.flatMap(\.self) + ofUsers.flatMap(\.self) + ofPatterns).map { Self.entry($0, &bytes) }
        self.bytes = bytes
        records = EntryIndex(ofRecords, from: 0) { key in
            let user = key.user.prefix.lend { Self.hash($0) }
            return key.connection.prefix.lend { Self.hash($0, seed: user) }
        }
        let start = ofRecords.reduce(0) { $0 + $1.count }
        users = EntryIndex(ofUsers, from: start) { $0.user.prefix.lend { Self.hash($0) } }
        heads = ofPatterns.map(PatternHead.init)
        wholeRules = Verb.allCases.map { verb in
            ofPatterns.first { $0.verbs.contains(verb) && $0.user.isAny && $0.connection.isAny }.map { Int16($0.rule) } ?? -1
        }
        lengths = (ofRecords + ofUsers).reduce(0) { $0 | Self.bit(ofLength: $1[0].user.prefix.count) }
    }

    private static func entry(_ key: Key, _ bytes: inout [UInt8]) -> Entry {
        Entry(
            user: PackedPattern(key.user, &bytes), connection: PackedPattern(key.connection, &bytes), verbs: key.verbs,
            rule: UInt16(key.rule))
    }

    /// Those with equal ids together, in the order of the first of each.
    private static func grouped(_ keys: [Key], by ids: (Key) -> [[UInt8]]) -> [[Key]] {
        var places: [[[UInt8]]: Int] = [:]
        var groups: [[Key]] = []
        for key in keys {
            let place = places[ids(key), default: groups.count]
            if place == groups.count {
                places[ids(key)] = place
                groups.append([])
            }
            groups[place].append(key)
        }
        return groups
    }

    // MARK: Looking up

    /// The rule that has all records; -1 if none has.
    @inline(__always)
    func wholeRule(for verb: Verb) -> Int { Int(wholeRules[Int(verb.rawValue)]) }

    /// The rule that has this record, the most specific of several; -1 if none has.
    ///
    /// - Parameters:
    ///   - word: what the user begins with, a ``PatternHead/word(_:)``.
    ///   - length: the ``bit(ofLength:)`` of the user.
    @inline(__always)
    func rule(for verb: Verb, _ user: RawSpan, _ connection: RawSpan, word: UInt64, length: UInt64) -> Int {
        let whole = wholeRule(for: verb)
        if whole >= 0 { return whole }
        if lengths & length != 0 {
            let rule = namedRule(for: verb, user, connection)
            if rule >= 0 { return rule }
        }
        let bits = VerbSet(verb).rawValue
        for index in 0..<heads.count where heads[index].mayMatch(word, bits) {
            let rule = Int(heads[index].rule)
            if rule >= 0 { return rule }
            if hasRecord(index, user, connection) { return Int(entries[entries.count &- heads.count &+ index].rule) }
        }
        return -1
    }

    /// The same, where it need not be fast.
    func rule(for verb: Verb, _ user: RawSpan, _ connection: RawSpan) -> Int {
        rule(for: verb, user, connection, word: PatternHead.word(user), length: Self.bit(ofLength: user.byteCount))
    }

    @inline(__always)
    static func bit(ofLength bytes: Int) -> UInt64 { 1 &<< UInt64(truncatingIfNeeded: bytes) }

    /// Of the keys that name a user.
    private func namedRule(for verb: Verb, _ user: RawSpan, _ connection: RawSpan) -> Int {
        let hash = Self.hash(user)
        if !records.isEmpty {
            let found = records.range(Self.hash(connection, seed: hash)) { first in
                entries[first].user.isEqual(to: user, bytes) && entries[first].connection.isEqual(to: connection, bytes)
            }
            for index in found where entries[index].verbs.contains(verb) { return Int(entries[index].rule) }
        }
        if !users.isEmpty {
            let found = users.range(hash) { entries[$0].user.isEqual(to: user, bytes) }
            for index in found where entries[index].verbs.contains(verb) && entries[index].connection.matches(connection, bytes) {
                return Int(entries[index].rule)
            }
        }
        return -1
    }

    /// Whether a key whose user is a pattern, by its place among these, has a record whose user begins as it has to.
    private func hasRecord(_ index: Int, _ user: RawSpan, _ connection: RawSpan) -> Bool {
        let entry = entries[entries.count &- heads.count &+ index]
        return entry.user.matches(user, bytes, isHeadKnown: true) && entry.connection.matches(connection, bytes)
    }

    // MARK: Hashing

    /// Only for speed: what is found is compared.
    @inline(__always)
    private static func hash(_ id: RawSpan, seed: UInt64 = 0) -> UInt64 {
        let count = id.byteCount
        var state = seed ^ UInt64(count) &* 0x9e37_79b9_7f4a_7c15
        guard count > 8 else { return mix(state ^ PatternHead.word(id)) }
        var offset = 0
        while offset &+ 8 < count {
            state = mix(state ^ id.littleEndianWord(at: offset))
            offset &+= 8
        }
        // The last eight bytes, of which some may have been taken already.
        return mix(state ^ id.littleEndianWord(at: count &- 8))
    }

    @inline(__always)
    private static func mix(_ word: UInt64) -> UInt64 {
        let (high, low) = word.multipliedFullWidth(by: 0xff51_afd7_ed55_8ccd)
        return high ^ low
    }
}
