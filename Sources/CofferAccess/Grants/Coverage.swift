import CofferCore

/// How much of many records a caller may do something with.
package enum Coverage: Equatable, Sendable {
    /// With no record, whatever its ids are.
    case none
    /// Each has to be asked for.
    case some
    /// With all that there are, and may ever be. The rule is the place in ``Policy/allow`` of the one that says so.
    case all(rule: Int)

    package var isAll: Bool {
        guard case .all = self else { return false }
        return true
    }
}

/// The keys of a caller's rules as patterns, for questions about more than one record.
struct CoverageKeys: Sendable {
    private struct Key: Sendable {
        let user: BoundPattern
        let connection: BoundPattern
        let verbs: VerbSet
        let rule: Int
    }

    private let denials: [Key]
    /// Those without limits first.
    private let grants: [Key]

    init(_ policy: BoundPolicy) {
        func key(_ key: RuleTable.Key) -> Key {
            Key(user: key.user, connection: key.connection, verbs: key.verbs, rule: key.rule)
        }
        denials = policy.denials.map(key)
        grants = (policy.free + policy.limited).flatMap(\.keys).map(key)
    }

    /// - Parameter user: nil = the records of all users.
    func coverage(_ verb: Verb, ofUser user: [UInt8]?) -> Coverage {
        if isDenied(verb, ofUser: user) { return .none }
        let grants = grants.filter { Self.isAbout($0, verb, user) }
        guard !grants.isEmpty else { return .none }
        let whole = grants.first { ($0.user.isAny || user != nil) && $0.connection.isAny }
        guard let whole, !denials.contains(where: { Self.isAbout($0, verb, user) }) else { return .some }
        return .all(rule: whole.rule)
    }

    /// The rules that allow something of it, those without limits first; none if it is denied as a whole.
    func rules(_ verb: Verb, ofUser user: [UInt8]?) -> [Int] {
        isDenied(verb, ofUser: user) ? [] : grants.filter { Self.isAbout($0, verb, user) }.map(\.rule)
    }

    private func isDenied(_ verb: Verb, ofUser user: [UInt8]?) -> Bool {
        denials.contains { Self.isAbout($0, verb, user) && ($0.user.isAny || user != nil) && $0.connection.isAny }
    }

    private static func isAbout(_ key: Key, _ verb: Verb, _ user: [UInt8]?) -> Bool {
        key.verbs.contains(verb) && (user.map(key.user.matches) ?? true)
    }
}

extension RawSpan {
    var array: [UInt8] { (0..<byteCount).map { byte(at: $0) } }
}

extension CallerGrants {
    /// With how many of a user's records the caller may do this.
    ///
    /// - Parameter user: nil = with how many of all records.
    package func coverage(_ verb: Verb, ofUser user: RawSpan? = nil) -> Coverage {
        coverage.coverage(verb, ofUser: user?.array)
    }
}
