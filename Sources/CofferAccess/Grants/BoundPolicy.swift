/// The rules of a policy that are about one caller, with its variables in place.
struct BoundPolicy {
    /// A rule that allows something.
    struct Grant {
        let rule: Int
        /// Those that are not about records.
        let verbs: VerbSet
        let keys: [RuleTable.Key]
    }

    let denials: [RuleTable.Key]
    let free: [Grant]
    let limited: [Grant]

    init(_ policy: Policy, for caller: Caller) {
        // What is not known of a caller allows it nothing, and frees it from nothing.
        let denying = policy.deny.enumerated().filter { $0.element.who.truth(for: caller) != .no }
        let allowing = policy.allow.enumerated().filter { $0.element.who.truth(for: caller) == .yes }
        denials = denying.flatMap { place, rule in
            rule.keys.map { key in
                RuleTable.Key(
                    user: key.user.widened(to: caller), connection: key.connection.widened(to: caller),
                    verbs: rule.verbs.intersection(.aboutRecords), rule: place)
            }
        }
        let denied = denying.reduce(into: VerbSet()) { $0.formUnion($1.element.verbs.subtracting(.aboutRecords)) }
        let grants = allowing.map { (rule: $0.element, grant: Self.grant($0.element, place: $0.offset, for: caller, not: denied)) }
            .filter { !$0.grant.verbs.isEmpty || !$0.grant.keys.isEmpty }
        free = grants.filter { $0.rule.limits == .none }.map(\.grant)
        limited = grants.filter { $0.rule.limits != .none }.map(\.grant)
    }

    private static func grant(_ rule: PolicyRule, place: Int, for caller: Caller, not denied: VerbSet) -> Grant {
        let verbs = rule.verbs.intersection(.aboutRecords)
        let keys: [RuleTable.Key] =
            verbs.isEmpty
            ? []
            : rule.keys.compactMap { key in
                guard let user = key.user.bound(to: caller), let connection = key.connection.bound(to: caller) else { return nil }
                return RuleTable.Key(user: user, connection: connection, verbs: verbs, rule: place)
            }
        return Grant(rule: place, verbs: rule.verbs.subtracting(.aboutRecords).subtracting(denied), keys: keys)
    }
}
