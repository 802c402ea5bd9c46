/// Who may do what: nobody anything but what a rule allows and no rule denies.
///
/// The order of the rules decides nothing: what any rule denies is denied.
package struct Policy: Equatable, Sendable {
    package static let maximumRules = 1_024
    /// Of all rules together.
    package static let maximumKeys = 16_384

    package var allow: [PolicyRule]
    package var deny: [PolicyRule]

    package init(allow: [PolicyRule] = [], deny: [PolicyRule] = []) {
        self.allow = allow
        self.deny = deny
    }

    /// One uid may do everything, everybody else nothing: what holds where no policy is configured.
    package static func owner(_ uid: UInt32) -> Policy {
        Policy(allow: [
            PolicyRule(
                name: "owner", who: [Selector(users: [.init(id: uid, name: String(uid))])], verbs: .all, keys: [.all])
        ])
    }

    /// What has to be found out of a caller before the rules can be asked.
    package var evidence: EvidenceKinds {
        (allow + deny).reduce(into: []) { kinds, rule in
            for selector in rule.who { kinds.formUnion(selector.evidence) }
            for variable in rule.keys.flatMap({ $0.user.variables + $0.connection.variables }) {
                switch variable {
                case .user: kinds.insert(.userName)
                case .instance: kinds.insert(.cgroup)
                case .uid: break
                }
            }
        }
    }

    /// Whether a rule asks what is in the program's file at this path: reading it takes time, so only then.
    package func needsDigest(ofPath path: String) -> Bool {
        (allow + deny).contains { rule in
            rule.who.contains { $0.digests != nil && ($0.executables?.contains { $0.matches(path) } ?? true) }
        }
    }
}

/// What some callers are allowed, or denied.
package struct PolicyRule: Equatable, Sendable {
    /// Its own among all of the policy.
    package var name: String
    /// Where it stands in its file, from 1 on; 0 = in none.
    package var line: Int
    /// Whoever one of these describes.
    package var who: [Selector]
    package var verbs: VerbSet
    /// Where verbs about records hold.
    package var keys: [KeyRange]
    /// Of what it allows.
    package var limits: GrantLimits

    package init(
        name: String, line: Int = 0, who: [Selector], verbs: VerbSet, keys: [KeyRange] = [], limits: GrantLimits = .none
    ) {
        self.name = name
        self.line = line
        self.who = who
        self.verbs = verbs
        self.keys = keys
        self.limits = limits
    }
}

/// The records whose ids match two patterns.
package struct KeyRange: Hashable, Sendable {
    package var user: PolicyPattern
    package var connection: PolicyPattern

    package init(user: PolicyPattern, connection: PolicyPattern) {
        self.user = user
        self.connection = connection
    }

    /// Every record.
    package static let all = KeyRange(user: .any, connection: .any)

    /// Whether it has every record that `other` has.
    package func covers(_ other: Self) -> Bool { user.covers(other.user) && connection.covers(other.connection) }
}

/// How much of what a rule allows, counted for each uid by itself.
package struct GrantLimits: Hashable, Sendable {
    /// Records asked for: each key of a GetMany is one.
    package var rate: RateLimit?
    /// Calls that wait for a vault.
    package var inFlight: Int?

    package init(rate: RateLimit? = nil, inFlight: Int? = nil) {
        self.rate = rate
        self.inFlight = inFlight
    }

    package static let none = GrantLimits()
}
