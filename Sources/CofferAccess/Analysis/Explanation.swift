import CofferCore

/// Why a policy decides a question as it does: what each rule has to say.
package struct Explanation: Equatable, Sendable {
    /// What a policy is asked.
    package struct Question: Equatable, Sendable {
        package let verb: Verb
        /// The ids of the record; empty where the verb is about none.
        package let user: String
        package let connection: String

        /// About one record.
        package init(_ verb: Verb, user: String, connection: String) {
            self.verb = verb
            self.user = user
            self.connection = connection
        }

        /// About no record.
        package init(_ verb: Verb) { self.init(verb, user: "", connection: "") }
    }

    /// Why a rule has a say, or none.
    package enum Verdict: Equatable, Sendable {
        /// It is why the answer is what it is.
        case decides
        /// It says the same, or is overruled.
        case applies
        case otherVerbs
        /// The caller surely does not meet this condition of the description that fits it best.
        case otherCaller(Selector.Condition)
        /// Whether the caller meets this condition is not proven. Of a rule that allows.
        case unproven(Selector.Condition)
        /// The caller has no value for this variable, so no key of the rule matches.
        case noValue(CallerVariable)
        case otherKeys
    }

    /// A rule, and why it has a say or none.
    package struct Step: Equatable, Sendable {
        package let isDeny: Bool
        /// Its place among those of its kind.
        package let rule: Int
        package let verdict: Verdict
    }

    package let question: Question
    package let decision: CallerGrants.Decision
    /// One for each rule: those that deny first.
    package let steps: [Step]
}

extension Policy {
    /// Explains what becomes of a caller's question, with limits that are not used up.
    package func explain(_ question: Explanation.Question, by caller: Caller) -> Explanation {
        let grants = CallerGrants(self, for: caller, generation: 0, usages: UsageLedger(), now: BootInstant(nanoseconds: 0))
        let (user, connection) = (Array(question.user.utf8), Array(question.connection.utf8))
        var decision = grants.decision(question.verb)
        var denying: Int?
        if question.verb.isAboutRecords {
            user.lend { user in
                connection.lend { connection in
                    decision = grants.decision(question.verb, user: user, connection: connection)
                    denying = grants.denyingRule(question.verb, user: user, connection: connection)
                }
            }
        }
        let view = RuleView(question: question, user: user, connection: connection, caller: caller)
        if !question.verb.isAboutRecords { denying = deny.firstIndex { view.verdict(on: $0, isDeny: true) == .applies } }
        func steps(_ rules: [PolicyRule], isDeny: Bool, deciding: Int?) -> [Explanation.Step] {
            rules.enumerated().map { place, rule in
                .init(isDeny: isDeny, rule: place, verdict: place == deciding ? .decides : view.verdict(on: rule, isDeny: isDeny))
            }
        }
        return Explanation(
            question: question, decision: decision,
            steps: steps(deny, isDeny: true, deciding: denying) + steps(allow, isDeny: false, deciding: decision.allowingRule))
    }
}

extension CallerGrants.Decision {
    /// The place of the rule that allows it.
    package var allowingRule: Int? {
        switch self {
        case .allowed(let rule), .limited(let rule): rule
        case .exhausted, .denied: nil
        }
    }
}

/// What a question looks like to one rule.
private struct RuleView {
    let question: Explanation.Question
    let user: [UInt8]
    let connection: [UInt8]
    let caller: Caller

    func verdict(on rule: PolicyRule, isDeny: Bool) -> Explanation.Verdict {
        guard rule.verbs.contains(question.verb) else { return .otherVerbs }
        if let mistaken = mismatch(rule.who, isDeny: isDeny) { return mistaken }
        guard question.verb.isAboutRecords, !rule.keys.contains(where: { matches($0, isDeny: isDeny) }) else { return .applies }
        let variables = rule.keys.flatMap { $0.user.variables + $0.connection.variables }
        guard !isDeny, let missing = variables.first(where: { caller.value(of: $0) == nil }) else { return .otherKeys }
        return .noValue(missing)
    }

    private func mismatch(_ who: [Selector], isDeny: Bool) -> Explanation.Verdict? {
        let best = who.map { $0.worst(for: caller) }.max { $0.truth < $1.truth }
        guard let best, let condition = best.condition else { return nil }
        if best.truth == .no { return .otherCaller(condition) }
        return isDeny ? nil : .unproven(condition)
    }

    private func matches(_ key: KeyRange, isDeny: Bool) -> Bool {
        func matches(_ pattern: PolicyPattern, _ id: [UInt8]) -> Bool {
            isDeny ? pattern.widened(to: caller).matches(id) : pattern.bound(to: caller)?.matches(id) ?? false
        }
        return (1...RecordKey.maximumIDBytes).contains(user.count) && (1...RecordKey.maximumIDBytes).contains(connection.count)
            && matches(key.user, user) && matches(key.connection, connection)
    }
}
