import CofferAccess
import CofferPolicy
import CofferPolicyProbe
import Testing

/// What `coffer policy test` prints.
@Suite struct PolicyAnswerTests {
    private let policy: Policy

    init() throws {
        policy = try PolicyFile.read(
            """
            allow:
            - {name: own, who: {group: workers}, verbs: get, keys: {user_id: '${caller.user}', connection_id: '*'}}
            - {name: unit, who: {unit: mail.service}, verbs: store, keys: {user_id: '*', connection_id: '*'}}
            - {name: program, who: {executable: /usr/bin/m, sha256: \(String(repeating: "0a", count: 32))}, verbs: stats}
            - {name: all, who: anyone, verbs: health}
            deny:
            - {name: not-here, who: {cgroup: /c}, verbs: get, keys: {user_id: ann, connection_id: smtp}}
            """, .example)
    }

    private func ann(_ set: (inout CallerDescription) -> Void = { _ in }) throws -> Caller {
        var description = CallerDescription(user: "4000000017")
        description.groups = ["workers"]
        set(&description)
        return try description.caller(.example)
    }

    @Test func theRuleThatDecidesIsNamed() throws {
        let caller = Caller(uid: 1_000, gid: 500, groups: .proven([]), userName: .proven("ann"), unit: .absent, cgroup: .absent, executable: .absent)
        let imap = PolicyAnswer(try .checked(.get, user: "ann", connection: "imap"), by: caller, policy)
        #expect((imap.isAllowed, imap.decidingRule?.name, imap.missing, imap.advice) == (true, "own", [], nil))
        #expect(imap.lines[0] == "get of user_id 'ann', connection_id 'imap': allowed by own (line 2)")
        let bob = PolicyAnswer(try .checked(.get, user: "bob", connection: "imap"), by: caller, policy)
        #expect((bob.isAllowed, bob.decidingRule?.name) == (false, nil))
        let inside = Caller(uid: 1_000, gid: 500, groups: .proven([]), userName: .proven("ann"), unit: .absent, cgroup: .proven("/c/d"))
        let smtp = PolicyAnswer(try .checked(.get, user: "ann", connection: "smtp"), by: inside, policy)
        #expect((smtp.isAllowed, smtp.decidingRule?.name) == (false, "not-here"))
    }

    @Test func whatIsNotGivenIsNamedWhereARuleAsksForIt() throws {
        let store = try Explanation.Question.checked(.store, user: "ann", connection: "c")
        let answer = PolicyAnswer(store, by: try ann(), policy)
        #expect((answer.isAllowed, answer.missing) == (false, [.unit]))
        #expect(answer.advice == "not given, so not proven: --unit; rules that ask for it do not allow, and do deny")
        #expect(PolicyAnswer(store, by: try ann { $0.unit = "mail.service" }, policy).isAllowed)
        #expect(PolicyAnswer(store, by: try ann { $0.unit = "a.service" }, policy).missing == [])
        #expect(PolicyAnswer(store, by: try ann { $0.cgroup = "/c" }, policy).missing == [])
        #expect(PolicyAnswer(try .checked(.get, user: "ann", connection: "smtp"), by: try ann(), policy).missing == [.cgroup])
        let stats = Explanation.Question(.stats)
        #expect(PolicyAnswer(stats, by: try ann(), policy).missing == [.executable])
        #expect(PolicyAnswer(stats, by: try ann { $0.executable = "/usr/bin/m" }, policy).missing == [.sha256])
        #expect(PolicyAnswer(stats, by: try ann { $0.executable = "/usr/bin/n" }, policy).missing == [])
        // What surely denies, or is allowed already, needs nothing more.
        #expect(PolicyAnswer(.init(.health), by: try ann(), policy).missing == [])
        #expect(PolicyAnswer(try .checked(.get, user: "ann", connection: "smtp"), by: try ann { $0.cgroup = "/c" }, policy).missing == [])
        #expect(PolicyAnswer(try .checked(.get, user: "bob", connection: "smtp"), by: try ann(), policy).missing == [])
    }

    @Test func whoeverHasNoNumberOfItsOwnIsAllowedNothing() throws {
        for caller in [Caller(uid: 65_534, gid: 1), Caller(uid: 1, gid: 65_534)] {
            let answer = PolicyAnswer(.init(.health), by: caller, policy)
            #expect((answer.isAllowed, answer.decidingRule, answer.advice) == (false, nil, nil))
            #expect(answer.lines == ["health: denied: whoever has no number of its own looks like this caller, so it is allowed nothing"])
        }
        #expect(PolicyAnswer(.init(.health), by: Caller(uid: 1, gid: .max), policy).isAllowed)
    }

    @Test func idsThatNoRecordHasAreAMistake() {
        for (user, connection, words) in [
            ("", "c", "user_id: expected 1 to 256 bytes, got 0"), ("u", String(repeating: "c", count: 257), "connection_id: expected 1 to 256 bytes, got 257"),
            ("a\n", "c", "user_id: must not hold control characters (U+0000 to U+001F, U+007F to U+009F)"),
        ] {
            do throws(CallerMistake) {
                _ = try Explanation.Question.checked(.get, user: user, connection: connection)
                Issue.record("it was taken: \(words)")
            } catch {
                #expect("\(error)" == words)
            }
        }
    }
}
