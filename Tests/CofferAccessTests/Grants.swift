import CofferAccess
import CofferCore

extension Policy {
    /// What a caller may do by it.
    func grants(
        for caller: Caller, usages: UsageLedger = UsageLedger(), now: BootInstant = BootInstant(nanoseconds: 1)
    ) -> CallerGrants {
        CallerGrants(self, for: caller, generation: 1, usages: usages, now: now)
    }
}

extension CallerGrants {
    func decision(_ verb: Verb, _ user: [UInt8], _ connection: [UInt8]) -> Decision {
        user.lend { user in connection.lend { decision(verb, user: user, connection: $0) } }
    }

    func decision(_ verb: Verb, _ user: String, _ connection: String) -> Decision {
        decision(verb, Array(user.utf8), Array(connection.utf8))
    }

    func admit(_ verb: Verb, _ user: String, _ connection: String, now: BootInstant) -> Decision {
        Array(user.utf8).lend { user in
            Array(connection.utf8).lend { admit(verb, user: user, connection: $0, now: now) }
        }
    }

    func allows(_ verb: Verb, _ user: String, _ connection: String) -> Bool { decision(verb, user, connection).isAllowed }

    func coverage(_ verb: Verb, ofUser user: String) -> Coverage {
        Array(user.utf8).lend { coverage(verb, ofUser: $0) }
    }
}

extension PolicyRule {
    /// A rule for everybody, with patterns as they are written.
    init(
        _ name: String, who: [Selector] = [.anyone], _ verbs: VerbSet, _ keys: [(String, String)] = [],
        limits: GrantLimits = .none, line: Int = 0
    ) throws {
        self.init(
            name: name, line: line, who: who, verbs: verbs,
            keys: try keys.map { KeyRange(user: try PolicyPattern($0.0), connection: try PolicyPattern($0.1)) }, limits: limits)
    }
}

extension VerbSet {
    static let get = VerbSet(Verb.get)
    static let store = VerbSet(Verb.store)
    static let delete = VerbSet(Verb.delete)
    static let list = VerbSet(Verb.list)
    static let invalidate = VerbSet(Verb.invalidate)
    static let health = VerbSet(Verb.health)
    static let stats = VerbSet(Verb.stats)
}

extension Selector {
    static func user(_ uid: UInt32) -> Selector { Selector(users: [.init(id: uid, name: "u\(uid)")]) }
}
