import CofferAccess
import Testing

@Suite struct FindingTests {
    private func findings(_ allow: [PolicyRule], deny: [PolicyRule] = []) -> [String] {
        Policy(allow: allow, deny: deny).findings.map { "\($0.line) \($0.kind) \($0.rule): \($0.message)" }
    }

    private func wide(_ rule: PolicyRule) -> [String] {
        Policy(allow: [rule]).findings.filter { $0.kind == .wide }.map(\.message)
    }

    private func rule(
        _ name: String = "r", who: Selector = .user(1), _ verbs: VerbSet = .get, _ keys: [(String, String)] = [("u", "c")],
        limits: GrantLimits = .none, line: Int = 1
    ) throws -> PolicyRule {
        try PolicyRule(name, who: [who], verbs, keys, limits: limits, line: line)
    }

    @Test func aPlainPolicyIsNotComplainedOf() throws {
        #expect(
            findings(
                [
                    try rule("a", who: Selector(groups: [.init(id: 5, name: "workers")]), [.get, .list], [("${caller.user}", "*"), ("${caller.user}:*", "c")]),
                    try rule("b", who: .user(2), [.get, .store], [("*", "*")]),
                    try rule("c", who: .user(2), [.health, .stats], []),
                    try rule("d", who: Selector(units: [try PolicyPattern("w@*.service")]), .get, [("${caller.instance}", "*"), ("tenant-*", "smtp")]),
                ],
                deny: [try rule("e", who: .anyone, [.get, .delete], [("root", "*")])]) == [])
    }

    // MARK: Dead

    @Test func findsWhatIsDeniedAltogether() throws {
        let denial = try rule("no", who: .anyone, [.get, .list], [("u*", "*")], line: 9)
        #expect(
            findings([try rule("a", .get, [("u-1", "c"), ("u", "*")])], deny: [denial]) == [
                "1 dead a: never allows anything: no (line 9) denies all of it; remove one of the two"
            ])
        #expect(
            findings([try rule("a", [.get, .store], [("u-1", "c")])], deny: [denial]) == [
                "1 dead a: never allows get: no (line 9) denies it for all of these keys; remove the verb here"
            ])
        #expect(
            findings([try rule("a", .get, [("u-1", "c"), ("v", "c")])], deny: [denial]) == [
                "1 dead a: the key {user_id: 'u-1', connection_id: 'c'} never allows anything: no (line 9) denies it; remove the key here"
            ])
        #expect(findings([try rule("a", who: .user(1), .get, [("u-1", "c")])], deny: [try rule("no", who: .user(2), .get, [("*", "*")])]) == [])
    }

    @Test func findsADeniedVerbAboutNoRecord() throws {
        #expect(
            findings([try rule("a", [.health, .stats], [])], deny: [try rule("no", .stats, [], line: 2)]) == [
                "1 dead a: never allows stats: no (line 2) denies it for all of these keys; remove the verb here"
            ])
    }

    @Test func findsWhatNothingCanFit() throws {
        let long = String(repeating: "a", count: 257)
        #expect(findings([try rule("r", .get, [(long, "c")])]).first?.contains("needs ids of more than 256 bytes") == true)
        let selector = Selector(users: [.init(id: 1, name: "")], units: [try PolicyPattern("a.service")], cgroups: ["/system.slice/b.service"])
        #expect(findings([try rule(who: selector)]).first?.contains("no caller can be in this unit and in this cgroup") == true)
        let possible = Selector(users: [.init(id: 1, name: "")], units: [try PolicyPattern("a.service")], cgroups: ["/system.slice/b.service", "/x.slice"])
        #expect(findings([try rule(who: possible)]) == [])
    }

    // MARK: Shadowed

    @Test func findsWhatAnotherRuleSaysAlready() throws {
        let narrow = try rule("narrow", who: .user(1), .get, [("u", "c")], line: 2)
        let wide = try rule("wide", who: Selector(users: [.init(id: 1, name: ""), .init(id: 2, name: "")]), [.get, .store], [("u", "*")])
        let expected = ["2 shadowed narrow: changes nothing: wide (line 1) says all of it; remove one of the two"]
        #expect(findings([wide, narrow]) == expected)
        #expect(findings([narrow, wide]) == expected)
        #expect(findings([try rule("all", .get, [("*", "*")], line: 7)], deny: [wide, narrow]) == expected)
        // Of two that say the same, the second.
        var again = narrow
        (again.name, again.line) = ("again", 3)
        #expect(findings([narrow, again]) == ["3 shadowed again: changes nothing: narrow (line 2) says all of it; remove one of the two"])
    }

    @Test func aRuleWithLimitsShadowsNothingAndMayBeShadowed() throws {
        let limits = GrantLimits(rate: RateLimit(5, per: .second))
        let limited = try rule("limited", limits: limits, line: 1)
        let free = try rule("free", line: 2)
        #expect(
            findings([limited, free]) == [
                "1 shadowed limited: changes nothing: free (line 2) says all of it without limits, so those here never hold; remove one of the two"
            ])
        let more = try rule("more", limits: GrantLimits(rate: RateLimit(9, per: .second)), line: 2)
        #expect(findings([limited, more]) == [])
    }

    @Test func findsConditionsThatRestrictNothing() throws {
        let who = [Selector.user(1), Selector(users: [.init(id: 1, name: "")], units: [try PolicyPattern("a.service")])]
        #expect(findings([try PolicyRule("r", who: who, .get, [("u", "c")], line: 4)]).map { $0.prefix(30) } == ["4 shadowed r: one description "])
        #expect(
            findings([try rule("r", .get, [("u", "c"), ("u", "*")])]) == [
                "1 shadowed r: the key {user_id: 'u', connection_id: 'c'} is within {user_id: 'u', connection_id: '*'}, so it changes nothing; keep the one that is meant"
            ])
    }

    // MARK: Wide

    @Test func findsAllUsersForManyCallers() throws {
        let group = Selector(groups: [.init(id: 5, name: "")])
        let two = Selector(users: [.init(id: 1, name: ""), .init(id: 2, name: "")])
        for who in [group, two] {
            #expect(try wide(rule(who: who, .get, [("*", "c")])).map { $0.prefix(45) } == ["each of these callers is allowed this with th"])
        }
        #expect(try wide(rule(who: .user(1), .get, [("*", "*")])) == [])
    }

    @Test(arguments: [
        ("${caller.user}*", "begin or end like the caller's"), ("*${caller.user}", "begin or end like the caller's"),
        ("alice*", "longer names"), ("t1*", "longer names"), ("é*", "longer names"),
        ("${caller.user}-*", "put : or /"), ("*-${caller.user}", "put : or /"), ("a*/${caller.user}:${caller.uid}", nil), ("a*b.${caller.user}", "put : or /"),
        ("${caller.uid}1*", "put something that is no digit"), ("${caller.uid}-*", nil), ("${caller.user}:*", nil), ("*-/${caller.user}", nil),
        ("${caller.user}x", nil), ("${caller.user}:${caller.uid}-*", nil), ("alice-*", nil), ("*alice", nil), ("alice", nil), ("a*-b", nil),
    ] as [(String, String?)])
    func findsPrefixesWithoutASeparator(pattern: String, problem: String?) throws {
        let found = try wide(rule("r", .get, [(pattern, "*")]))
        #expect(found.count == (problem == nil ? 0 : 1))
        if let problem { #expect(found.first?.contains(problem) == true) }
    }

    @Test func findsCallersThatAreMoreThanTheyLook() throws {
        func messages(_ selector: Selector) throws -> [String] { try wide(rule(who: selector)) }
        let user = [Selector.Principal(id: 1, name: "")]
        #expect(try messages(.anyone).count == 1)
        #expect(try messages(Selector(executables: [try PolicyPattern("/usr/bin/mail-sync")])).first?.contains("LD_PRELOAD") == true)
        #expect(try messages(Selector(users: user, executables: [try PolicyPattern("/usr/bin/mail-sync")])) == [])
        for name in ["python3.11", "python3", "node", "sh", "bash", "python*"] {
            let selector = Selector(users: user, executables: [try PolicyPattern("/usr/bin/\(name)")])
            #expect(try messages(selector).first?.contains("runs any script") == true, "\(name)")
        }
        for name in ["nodejs-worker", "shop", "pythonista"] {
            #expect(try messages(Selector(users: user, executables: [try PolicyPattern("/usr/bin/\(name)")])) == [], "\(name)")
        }
        #expect(try messages(Selector(users: user, units: [.any])).count == 1)
        #expect(try messages(Selector(users: user, cgroups: ["/"])).count == 1)
    }

    @Test func findsInstancesOfAnyUnit() throws {
        let keys = [("${caller.instance}", "*")]
        #expect(try wide(rule(who: .user(1), .get, keys)).first?.contains("user@1000.service") == true)
        let unit = Selector(units: [try PolicyPattern("w@*.service")])
        #expect(try wide(rule(who: unit, .get, keys)) == [])
        #expect(try wide(rule(who: unit, .get, [("${caller.instance}/*", "*")])) == [])
        #expect(try wide(rule(who: unit, .get, [("${caller.instance}:*", "*")])).first?.contains("put /, which") == true)
    }

    @Test func denialsAreNeverTooWide() throws {
        #expect(findings([], deny: [try rule(who: .anyone, .get, [("*", "*")])]) == [])
    }
}
