import CofferCore

/// The keys of some rules, with a caller's variables in place, laid out so that a record is looked up without a copy, an
/// allocation or a lock.
///
/// The most specific comes first: keys that name one record, found by their hash; those that name one user, too; then
/// those whose user is a pattern, one after the other. Among equals the first in the policy.
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
    private let patterns: Range<Int>

    var isEmpty: Bool { entries.isEmpty }

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
        patterns = (entries.count - ofPatterns.count)..<entries.count
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

    /// The rule that has this record, the most specific of several.
    ///
    /// - Returns: -1 if none has.
    func rule(for verb: Verb, _ user: RawSpan, _ connection: RawSpan) -> Int {
        guard !entries.isEmpty else { return -1 }
        let userHash = Self.hash(user)
        if !records.isEmpty {
            let found = records.range(Self.hash(connection, seed: userHash)) { first in
                entries[first].user.isEqual(to: user, bytes) && entries[first].connection.isEqual(to: connection, bytes)
            }
            for index in found where entries[index].verbs.contains(verb) { return Int(entries[index].rule) }
        }
        if !users.isEmpty {
            let found = users.range(userHash) { entries[$0].user.isEqual(to: user, bytes) }
            for index in found where entries[index].verbs.contains(verb) && entries[index].connection.matches(connection, bytes) {
                return Int(entries[index].rule)
            }
        }
        return firstPattern(for: verb, user, connection)
    }

    @inline(__always)
    private func firstPattern(for verb: Verb, _ user: RawSpan, _ connection: RawSpan) -> Int {
        let word = PackedPattern.word(user)
        for index in patterns {
            let entry = entries[index]
            if entry.user.mayMatch(word) && entry.verbs.contains(verb) && entry.user.matches(user, bytes)
                && entry.connection.matches(connection, bytes)
            {
                return Int(entry.rule)
            }
        }
        return -1
    }

    // MARK: Hashing

    /// Only for speed: what is found is compared.
    @inline(__always)
    private static func hash(_ id: RawSpan, seed: UInt64 = 0) -> UInt64 {
        var state = seed ^ UInt64(id.byteCount) &* 0x9e37_79b9_7f4a_7c15
        var offset = 0
        while offset &+ 8 <= id.byteCount {
            state = mix(state ^ id.littleEndianWord(at: offset))
            offset &+= 8
        }
        var tail: UInt64 = 0
        while offset < id.byteCount {
            tail = tail << 8 | UInt64(id.byte(at: offset))
            offset &+= 1
        }
        return mix(state ^ tail)
    }

    @inline(__always)
    private static func mix(_ word: UInt64) -> UInt64 {
        let product = word &* 0xff51_afd7_ed55_8ccd
        return product ^ product >> 32
    }
}
