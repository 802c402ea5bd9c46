import CofferAccess
import Testing

@Suite struct ExplanationTests {
    private let caller = Caller(uid: 1, gid: 10, unit: .proven("w@blue.service"))

    @Test func eachRuleSaysWhyItHasASayOrNone() throws {
        let policy = Policy(
            allow: [
                try PolicyRule("verbs", .store, [("*", "*")]),
                try PolicyRule("callers", who: [.user(2)], .get, [("*", "*")]),
                try PolicyRule("unproven", who: [Selector(executables: [.any])], .get, [("*", "*")]),
                try PolicyRule("keys", .get, [("v", "*")]),
                try PolicyRule("variable", .get, [("${caller.user}", "*")]),
                try PolicyRule("instance", .get, [("${caller.instance}", "*")]),
                try PolicyRule("again", .get, [("*", "c")]),
            ],
            deny: [try PolicyRule("other", .get, [("w", "*")])])
        let explanation = policy.explain(.init(.get, user: "blue", connection: "c"), by: caller)
        #expect(explanation.decision == .allowed(rule: 5))
        #expect(
            explanation.steps.map(\.verdict) == [
                .otherKeys, .otherVerbs, .otherCaller(.user), .unproven(.executable), .otherKeys, .noValue(.user), .decides, .applies,
            ])
        #expect(explanation.steps.map(\.isDeny) == [true] + Array(repeating: false, count: 7))
    }

    @Test func theRuleThatDeniesIsNamed() throws {
        let policy = Policy(
            allow: [try PolicyRule("all", [.get, .health], [("*", "*")])],
            deny: [
                try PolicyRule("a", .store, [("*", "*")]),
                try PolicyRule("b", who: [Selector(executables: [.any])], [.get, .health], [("u*", "*")]),
            ])
        let record = policy.explain(.init(.get, user: "u1", connection: "c"), by: caller)
        #expect(record.decision == .denied)
        #expect(record.steps.map(\.verdict) == [.otherVerbs, .decides, .applies])
        let health = policy.explain(.init(.health), by: caller)
        #expect(health.decision == .denied)
        #expect(health.steps.map(\.verdict) == [.otherVerbs, .decides, .applies])
    }
}
