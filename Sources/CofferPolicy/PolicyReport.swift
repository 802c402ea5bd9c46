package import CofferAccess
import CofferProcess

/// Explanations and findings as lines for people.
package enum PolicyReport {
    /// What becomes of a question, then a line for each rule.
    package static func lines(_ explanation: Explanation, _ policy: Policy) -> [String] {
        let steps = explanation.steps.map { step in
            let rule = step.isDeny ? policy.deny[step.rule] : policy.allow[step.rule]
            return "  \(step.isDeny ? "deny" : "allow") \(label(rule)): \(words(step.verdict))"
        }
        return ["\(subject(explanation.question)): \(outcome(explanation, policy))"] + steps
    }

    static func subject(_ question: Explanation.Question) -> String {
        guard question.verb.isAboutRecords else { return question.verb.name }
        return "\(question.verb.name) of user_id '\(Printable.field(question.user))', connection_id '\(Printable.field(question.connection))'"
    }

    private static func outcome(_ explanation: Explanation, _ policy: Policy) -> String {
        if let rule = explanation.decision.allowingRule { return "allowed by \(label(policy.allow[rule]))" }
        let denying = explanation.steps.first { $0.isDeny && $0.verdict == .decides }
        return denying.map { "denied by \(label(policy.deny[$0.rule]))" } ?? "denied: no rule allows it"
    }

    private static func label(_ rule: PolicyRule) -> String { rule.line > 0 ? "\(rule.name) (line \(rule.line))" : rule.name }

    /// Why a rule has a say, or none.
    package static func words(_ verdict: Explanation.Verdict) -> String {
        switch verdict {
        case .decides: "decides"
        case .applies: "applies too"
        case .otherVerbs: "is about other verbs"
        case .otherCaller(let condition): "is about other callers (\(condition.rawValue))"
        case .unproven(let condition): "does not apply: the caller's \(condition.rawValue) is not proven"
        case .noValue(let variable): "does not apply: the caller has no ${\(variable.rawValue)}"
        case .otherKeys: "is about other records"
        }
    }

    /// `1 rule`, `2 rules`.
    package static func count(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

    /// What was found, as `FILE:LINE: rule NAME: …`.
    ///
    /// - Parameter file: how the lines call it.
    package static func lines(_ findings: [PolicyFinding], file: String) -> [String] {
        findings.map { "\(file):\($0.line): rule \($0.rule): \($0.message)" }
    }

    /// Mistakes, as `FILE:LINE:COLUMN: …`.
    ///
    /// - Parameter file: how the lines call it.
    package static func lines(_ mistakes: PolicyMistakes, file: String) -> [String] {
        mistakes.mistakes.map { "\(file):\($0.line):\($0.column): \($0.message)" }
    }
}
