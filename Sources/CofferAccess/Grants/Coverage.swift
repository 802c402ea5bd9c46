import CofferCore

/// How much of many records a caller may do something with.
package enum Coverage: Equatable, Sendable {
    /// With no record, whatever its ids are.
    case none
    /// Each has to be asked for.
    case some
    /// With all that there are, and may ever be. The rule is the place in ``Policy/allow`` of the one that says so.
    case all(rule: Int)
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
        func isAbout(_ key: Key) -> Bool {
            guard key.verbs.contains(verb) else { return false }
            return user.map(key.user.matches) ?? true
        }
        let denials = denials.filter(isAbout)
        if denials.contains(where: { ($0.user.isAny || user != nil) && $0.connection.isAny }) { return .none }
        let grants = grants.filter(isAbout)
        guard !grants.isEmpty else { return .none }
        guard denials.isEmpty, let whole = grants.first(where: { ($0.user.isAny || user != nil) && $0.connection.isAny }) else {
            return .some
        }
        return .all(rule: whole.rule)
    }
}

extension CallerGrants {
    /// With how many of a user's records the caller may do this.
    ///
    /// - Parameter user: nil = with how many of all records.
    package func coverage(_ verb: Verb, ofUser user: RawSpan? = nil) -> Coverage {
        guard let user else { return coverage.coverage(verb, ofUser: nil) }
        return coverage.coverage(verb, ofUser: (0..<user.byteCount).map { user.byte(at: $0) })
    }
}
