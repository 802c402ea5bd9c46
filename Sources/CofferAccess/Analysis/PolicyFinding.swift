/// Something in a policy that is probably not meant.
package struct PolicyFinding: Equatable, Sendable {
    /// What is wrong with it.
    package enum Kind: String, CaseIterable, Sendable {
        /// It has no effect at all: nothing fits it, or all that it allows is denied.
        case dead
        /// Another rule says the same already.
        case shadowed
        /// It allows more than its words suggest.
        case wide
    }

    package let kind: Kind
    /// The name of the rule.
    package let rule: String
    /// Where that stands, from 1 on; 0 = in no file.
    package let line: Int
    package let message: String
}

extension Policy {
    /// What in this policy is probably not meant, in the order of the rules.
    ///
    /// Of what is dead or shadowed that is found which one other rule covers; several together may cover more. Takes time by
    /// the square of the number of keys: seconds for the largest policy.
    package var findings: [PolicyFinding] {
        let all = deny.map { (rule: $0, isDeny: true) } + allow.map { (rule: $0, isDeny: false) }
        let findings = all.flatMap { rule, isDeny in
            EffectCheck(policy: self, rule: rule, isDeny: isDeny).findings + WidthCheck(rule: rule, isDeny: isDeny).findings
        }
        let places = findings.enumerated().sorted { ($0.element.line, $0.offset) < ($1.element.line, $1.offset) }
        return places.map(\.element)
    }
}

extension PolicyRule {
    func finding(_ kind: PolicyFinding.Kind, _ message: String) -> PolicyFinding {
        PolicyFinding(kind: kind, rule: name, line: line, message: message)
    }

    /// As a message names it.
    var label: String { line > 0 ? "\(name) (line \(line))" : name }
}

extension KeyRange {
    /// As it would stand in a file.
    var label: String { "{user_id: '\(user.text)', connection_id: '\(connection.text)'}" }
}
