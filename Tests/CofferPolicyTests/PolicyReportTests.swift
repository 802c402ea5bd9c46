import CofferAccess
import CofferPolicy
import CofferPolicyProbe
import Testing

@Suite struct PolicyReportTests {
    private let text = """
        allow:
        - name: own
          who: {group: workers}
          verbs: [get, store]
          keys: {user_id: "${caller.user}", connection_id: "*"}
        - {name: watch, who: {user: mail}, verbs: [health]}
        deny:
        - name: none
          who: anyone
          verbs: [get]
          keys: {user_id: root, connection_id: "*"}
        """

    private func lines(_ question: Explanation.Question, _ caller: Caller) throws -> [String] {
        let policy = try PolicyFile.read(text, .example)
        return PolicyReport.lines(policy.explain(question, by: caller), policy)
    }

    @Test func anExplanationHasALineForEachRule() throws {
        let ann = Caller(uid: 1_000, gid: 500, groups: .proven([]), userName: .proven("ann"))
        #expect(
            try lines(.init(.get, user: "ann", connection: "a\u{1b}"), ann) == [
                #"get of user_id 'ann', connection_id 'a\u{1b}': allowed by own (line 2)"#,
                "  deny none (line 8): is about other records",
                "  allow own (line 2): decides",
                "  allow watch (line 6): is about other verbs",
            ])
        #expect(try lines(.init(.get, user: "root", connection: "c"), ann)[0] == "get of user_id 'root', connection_id 'c': denied by none (line 8)")
        #expect(
            try lines(.init(.health), ann) == [
                "health: denied: no rule allows it",
                "  deny none (line 8): is about other verbs",
                "  allow own (line 2): is about other verbs",
                "  allow watch (line 6): is about other callers (user)",
            ])
        let unknown = Caller(uid: 1_000, gid: 100)
        #expect(try lines(.init(.store, user: "ann", connection: "c"), unknown)[2] == "  allow own (line 2): does not apply: the caller's group is not proven")
        let nameless = Caller(uid: 1_000, gid: 500)
        #expect(try lines(.init(.store, user: "ann", connection: "c"), nameless)[2] == "  allow own (line 2): does not apply: the caller has no ${caller.user}")
    }

    @Test func findingsAndMistakesBeginWithTheirPlace() throws {
        let policy = try PolicyFile.read("allow:\n- {name: all, who: anyone, verbs: [health]}", .example)
        #expect(
            PolicyReport.lines(policy.findings, file: "p.yaml") == [
                "p.yaml:2: rule all: anyone who can connect to the socket is allowed this; name users, groups or units if that is not meant"
            ])
        do throws(PolicyMistakes) {
            _ = try PolicyFile.read("allow: 5", .example)
            Issue.record("it was taken")
        } catch {
            #expect(PolicyReport.lines(error, file: "p.yaml") == ["p.yaml:1:8: expected a list of rules; write [] for none"])
        }
    }
}
