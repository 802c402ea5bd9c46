import CofferAccess
import CofferCore
import Glibc
import Testing

/// Random policies, asked at random, against what they mean by a slow reading of their text.
///
/// `COFFER_POLICY_EFFORT=50` tries fifty times as many.
@Suite struct PolicyPropertyTests {
    private static let effort = max(1, getenv("COFFER_POLICY_EFFORT").flatMap { Int(String(cString: $0)) } ?? 1)

    /// An expectation for loops: one that holds costs nothing.
    private func expect(_ isTrue: Bool, _ comment: @autoclosure () -> String, sourceLocation: SourceLocation = #_sourceLocation) {
        if !isTrue { Issue.record("\(comment())", sourceLocation: sourceLocation) }
    }

    @Test(arguments: UInt64(0)..<8)
    func decidesAsTheReferenceDoes(seed: UInt64) {
        var make = RandomPolicies(seed: seed)
        var allowed = 0
        for round in 0..<150 * Self.effort {
            let policy = make.policy(rules: round % 50 == 0 ? 40 : 6)
            let reference = ReferencePolicy(policy: policy)
            let caller = make.caller()
            let grants = policy.grants(for: caller)
            for _ in 0..<20 {
                let (verb, user, connection) = (make.random.pick(Verb.allCases.filter(\.isAboutRecords)), make.id(), make.id())
                let expected = reference.decision(verb, user, connection, caller)
                if expected.isAllowed { allowed += 1 }
                expect(grants.decision(verb, user, connection) == expected, "seed \(seed), round \(round): \(verb) \(user) \(connection)")
            }
            for verb in Verb.allCases where !verb.isAboutRecords {
                expect(grants.decision(verb) == reference.decision(verb, caller), "seed \(seed), round \(round): \(verb)")
            }
        }
        // Otherwise nothing was tried.
        #expect((60 * Self.effort...2_850 * Self.effort).contains(allowed))
    }

    @Test(arguments: UInt64(0)..<4)
    func explanationsSayWhatIsDecided(seed: UInt64) {
        var make = RandomPolicies(seed: 1_000 + seed)
        for _ in 0..<100 * Self.effort {
            let policy = make.policy()
            let caller = make.caller()
            let grants = policy.grants(for: caller)
            for verb in Verb.allCases {
                let (user, connection) = (String(decoding: make.id(), as: UTF8.self), String(decoding: make.id(), as: UTF8.self))
                let question = verb.isAboutRecords ? Explanation.Question(verb, user: user, connection: connection) : .init(verb)
                let explanation = policy.explain(question, by: caller)
                let expected = verb.isAboutRecords ? grants.decision(verb, user, connection) : grants.decision(verb)
                expect(explanation.decision == expected, "\(explanation)")
                expect(explanation.steps.count == policy.allow.count + policy.deny.count, "\(explanation)")
                let deciding = explanation.steps.filter { $0.verdict == .decides }
                if let rule = expected.allowingRule {
                    expect(deciding.map(\.rule) == [rule] && !deciding.contains(where: \.isDeny), "\(explanation)")
                    expect(!explanation.steps.contains { $0.isDeny && $0.verdict == .applies }, "\(explanation)")
                } else {
                    expect(deciding.allSatisfy(\.isDeny) && deciding.count <= 1, "\(explanation)")
                    let applies = explanation.steps.contains { !$0.isDeny && $0.verdict == .applies }
                    expect(!applies || deciding.count == 1, "a rule allows it, none denies it, and it is denied")
                }
            }
        }
    }

    /// What a whole user, or everything, is said to be allowed holds for each record.
    @Test(arguments: UInt64(0)..<4)
    func coverageHoldsForEachRecord(seed: UInt64) {
        var make = RandomPolicies(seed: 2_000 + seed)
        var seen: [String: Int] = [:]
        for _ in 0..<150 * Self.effort {
            let policy = make.policy()
            let grants = policy.grants(for: make.caller())
            for _ in 0..<20 {
                let (verb, user, connection) = (make.random.pick(Verb.allCases.filter(\.isAboutRecords)), make.id(), make.id())
                let isID = (1...256).contains(user.count) && (1...256).contains(connection.count)
                let isAllowed = grants.decision(verb, user, connection).isAllowed
                for coverage in [user.lend { grants.coverage(verb, ofUser: $0) }, grants.coverage(verb)] {
                    switch coverage {
                    case .none: expect(!isAllowed, "\(policy)")
                    case .all: expect(isAllowed || !isID, "\(policy)")
                    case .some: break
                    }
                    seen["\(coverage)".prefix(4).description, default: 0] += 1
                }
            }
        }
        #expect(seen.keys.count >= 3)
    }

    // MARK: Findings

    /// What is found dead or superfluous can be removed, and nobody is allowed or denied anything else.
    @Test(arguments: UInt64(0)..<4)
    func whatIsFoundWithoutEffectHasNone(seed: UInt64) {
        var make = RandomPolicies(seed: 3_000 + seed)
        var removed = 0
        for _ in 0..<200 * Self.effort {
            let policy = make.policy()
            guard let found = policy.findings.first(where: { Self.isWholeRule($0) }) else { continue }
            removed += 1
            var without = policy
            without.allow.removeAll { $0.name == found.rule }
            without.deny.removeAll { $0.name == found.rule }
            for _ in 0..<40 {
                let caller = make.caller()
                let (before, after) = (policy.grants(for: caller), without.grants(for: caller))
                let (verb, user, connection) = (make.random.pick(Verb.allCases), make.id(), make.id())
                expect(
                    before.decision(verb, user, connection).isAllowed == after.decision(verb, user, connection).isAllowed,
                    "\(found)")
                expect(before.decision(verb).isAllowed == after.decision(verb).isAllowed, "\(found)")
            }
        }
        #expect(removed > 8 * Self.effort)
    }

    private static func isWholeRule(_ finding: PolicyFinding) -> Bool {
        finding.message.hasPrefix("never allows anything") || finding.message.hasPrefix("changes nothing")
    }

    // MARK: Patterns

    @Test(arguments: UInt64(0)..<4)
    func whatIsCoveredIsMatched(seed: UInt64) {
        var make = RandomPolicies(seed: 4_000 + seed)
        var covered = 0
        for _ in 0..<2_000 * Self.effort {
            let (wide, narrow, caller, id) = (make.pattern(), make.pattern(), make.caller(), make.id())
            guard wide.covers(narrow) else { continue }
            let rules = try? [PolicyRule("w", .get, [(wide.text, "*")]), PolicyRule("n", .get, [(narrow.text, "*")])]
            guard let rules else {
                Issue.record("a pattern is refused that was taken: \(wide.text) or \(narrow.text)")
                continue
            }
            let allowed = rules.map { Policy(allow: [$0]).grants(for: caller).decision(.get, id, [0x61]).isAllowed }
            if allowed[1] { covered += 1 }
            expect(allowed[0] || !allowed[1], "\(wide.text) covers \(narrow.text)")
        }
        #expect(covered > 10 * Self.effort)
    }
}
