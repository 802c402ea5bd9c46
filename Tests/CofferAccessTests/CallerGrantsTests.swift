import CofferAccess
import CofferCore
import Testing

@Suite struct CallerGrantsTests {
    private let caller = Caller(uid: 1, gid: 10)

    @Test func withoutAPolicyTheOwnerMayDoEverything() {
        let policy = Policy.owner(1)
        let grants = policy.grants(for: caller)
        for verb in Verb.allCases {
            #expect(verb.isAboutRecords ? grants.allows(verb, "u", "c") : grants.decision(verb).isAllowed)
        }
        #expect(grants.coverage(.list) == .all(rule: 0))
        #expect(policy.grants(for: Caller(uid: 0, gid: 10)).isEmpty)
        #expect(policy.findings == [])
    }

    @Test func whatNothingAllowsIsDenied() throws {
        #expect(Policy().grants(for: caller).isEmpty)
        let grants = Policy(allow: [try PolicyRule("r", .get, [("u", "c")])]).grants(for: caller)
        #expect(grants.allows(.get, "u", "c"))
        for verb in Verb.allCases where verb != .get { #expect(!grants.allows(verb, "u", "c")) }
        #expect(!grants.allows(.get, "u", "d"))
        #expect(!grants.allows(.get, "v", "c"))
        #expect(!grants.decision(.health).isAllowed)
    }

    @Test func whatIsDeniedIsDeniedWhateverAllowsIt() throws {
        let policy = Policy(
            allow: [
                try PolicyRule("all", [.get, .store], [("*", "*")]), try PolicyRule("one", .get, [("u", "c")]),
                try PolicyRule("watch", [.health, .stats]),
            ],
            deny: [try PolicyRule("no", [.get, .health], [("u", "*")])])
        let grants = policy.grants(for: caller)
        #expect(!grants.allows(.get, "u", "c"))
        #expect(grants.allows(.store, "u", "c"))
        #expect(grants.allows(.get, "v", "c"))
        #expect(!grants.decision(.health).isAllowed)
        #expect(grants.decision(.stats) == .allowed(rule: 2))
        let user = Array("u".utf8)
        #expect(user.lend { grants.denyingRule(.get, user: $0, connection: $0) } == 0)
        #expect(user.lend { grants.denyingRule(.store, user: $0, connection: $0) } == nil)
    }

    /// What is not proven allows nothing and frees from nothing.
    @Test func whoIsNotProvenIsAllowedLessAndDeniedMore() throws {
        let unit = [Selector(units: [try PolicyPattern("a.service")])]
        let all = try PolicyRule("all", .get, [("*", "*")])
        let allowed = Policy(allow: [try PolicyRule("r", who: unit, .get, [("u", "c")])])
        let denied = Policy(allow: [all], deny: [try PolicyRule("r", who: unit, .get, [("u", "c")])])
        func caller(_ unit: Evidence<String>) -> Caller { Caller(uid: 1, gid: 10, unit: unit) }
        #expect(allowed.grants(for: caller(.proven("a.service"))).allows(.get, "u", "c"))
        #expect(!allowed.grants(for: caller(.unproven)).allows(.get, "u", "c"))
        #expect(!denied.grants(for: caller(.proven("a.service"))).allows(.get, "u", "c"))
        #expect(!denied.grants(for: caller(.unproven)).allows(.get, "u", "c"))
        #expect(denied.grants(for: caller(.absent)).allows(.get, "u", "c"))
        #expect(denied.grants(for: caller(.proven("b.service"))).allows(.get, "u", "c"))
    }

    @Test(arguments: [
        ("a${caller.user}", "ab", false), ("a${caller.user}", "b", true), ("${caller.user}a", "ba", false), ("${caller.user}a", "b", true),
        ("a${caller.user}b*c", "axc", false), ("a${caller.user}b*c", "axd", true), ("a*b${caller.user}", "ax", false),
        ("a*${caller.user}b", "axb", false), ("a*${caller.user}b", "ab", false), ("a*${caller.user}b", "axc", true),
        ("${caller.user}-${caller.instance}", "x", false), ("${caller.user}-${caller.uid}", "x-12", false),
        ("${caller.user}-${caller.uid}", "x-21", true), ("*x${caller.user}${caller.uid}", "12", false), ("*x${caller.uid}", "y", true),
    ])
    func anUnknownVariableDeniesWhateverItMayBe(pattern: String, id: String, isAllowed: Bool) throws {
        let policy = Policy(
            allow: [try PolicyRule("all", .get, [("*", "*")])], deny: [try PolicyRule("no", .get, [(pattern, "*")])])
        #expect(policy.grants(for: Caller(uid: 12, gid: 10)).allows(.get, id, "c") == isAllowed)
    }

    @Test func theMostSpecificRuleDecides() throws {
        let policy = Policy(allow: [
            try PolicyRule("pattern", .get, [("*", "c")]), try PolicyRule("user", .get, [("u", "*")]),
            try PolicyRule("record", .get, [("u", "c")]), try PolicyRule("again", .get, [("u", "c")]),
        ])
        let grants = policy.grants(for: caller)
        #expect(grants.decision(.get, "u", "c") == .allowed(rule: 2))
        #expect(grants.decision(.get, "u", "d") == .allowed(rule: 1))
        #expect(grants.decision(.get, "v", "c") == .allowed(rule: 0))
        let all = Policy(allow: policy.allow + [try PolicyRule("all", .get, [("*", "*")])]).grants(for: caller)
        #expect(all.decision(.get, "u", "c") == .allowed(rule: 4))
    }

    @Test func idsOfNoLegalLengthAreAllowedNothing() throws {
        let grants = Policy.owner(1).grants(for: caller)
        let long = String(repeating: "a", count: 257)
        #expect(!grants.allows(.get, "", "c"))
        #expect(!grants.allows(.get, "u", ""))
        #expect(!grants.allows(.get, long, "c"))
        #expect(!grants.allows(.get, "u", long))
        #expect(grants.allows(.get, "\0", "\u{10ffff}"))
    }

    /// Thousands of keys, each found, and none more.
    @Test func manyKeysAreToldApart() throws {
        let keys = (0..<3_000).map { ("user-\($0)", $0 % 3 == 0 ? "*" : "connection-\($0)") }
        let grants = Policy(allow: [try PolicyRule("r", .get, keys)]).grants(for: caller)
        for number in 0..<3_000 {
            #expect(grants.allows(.get, "user-\(number)", "connection-\(number)"))
            #expect(grants.allows(.get, "user-\(number)", "connection-\(number + 1)") == (number % 3 == 0))
        }
        #expect(!grants.allows(.get, "user-3000", "connection-3000"))
    }

    // MARK: Answers

    @Test func whoMayNotReadCannotTellDeniedFromAbsent() throws {
        let grants = Policy(allow: [try PolicyRule("r", .get, [("u", "*")])]).grants(for: caller)
        func refusal(_ verb: Verb, _ user: String) -> CallerGrants.Refusal {
            Array(user.utf8).lend { grants.refusal(of: verb, user: $0, connection: $0) }
        }
        #expect(refusal(.get, "v") == .absent)
        #expect(refusal(.delete, "v") == .absent)
        #expect(refusal(.delete, "u") == .denied)
        #expect(refusal(.store, "v") == .denied)
        #expect(Array("u".utf8).lend { grants.mayRead(user: $0, connection: $0) })
        #expect(!Array("v".utf8).lend { grants.mayRead(user: $0, connection: $0) })
    }

    @Test func coverageTellsNoneFromSomeFromAll() throws {
        let policy = Policy(
            allow: [
                try PolicyRule("a", .list, [("u", "*"), ("v", "c")]), try PolicyRule("b", .invalidate, [("*", "*")]),
                try PolicyRule("c", .delete, [("*", "*")]), try PolicyRule("d", .get, [("*", "*")]),
            ],
            deny: [try PolicyRule("x", .delete, [("w", "z")]), try PolicyRule("y", .get, [("w", "*"), ("q", "*")])])
        let grants = policy.grants(for: caller)
        #expect(grants.coverage(.list, ofUser: "u") == .all(rule: 0))
        #expect(grants.coverage(.list, ofUser: "v") == .some)
        #expect(grants.coverage(.list, ofUser: "w") == .none)
        #expect(grants.coverage(.list) == .some)
        #expect(grants.coverage(.invalidate) == .all(rule: 1))
        #expect(grants.coverage(.delete) == .some)
        #expect(grants.coverage(.delete, ofUser: "v") == .all(rule: 2))
        #expect(grants.coverage(.delete, ofUser: "w") == .some)
        #expect(grants.coverage(.get, ofUser: "w") == .none)
        #expect(grants.coverage(.store) == .none)
    }
}
