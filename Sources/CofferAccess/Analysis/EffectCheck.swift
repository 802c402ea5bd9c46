import CofferCore

/// Finds what of a rule has no effect.
struct EffectCheck {
    let policy: Policy
    let rule: PolicyRule
    let isDeny: Bool

    var findings: [PolicyFinding] {
        let dead = impossible + denied
        return dead + callersInVain + keysInVain + (dead.isEmpty ? shadowed : [])
    }

    // MARK: What nothing can fit

    private var impossible: [PolicyFinding] {
        let tooLong = rule.keys.filter { [$0.user, $0.connection].contains { $0.minimumBytes > RecordKey.maximumIDBytes } }
        let contradictory = rule.who.filter(Self.contradictsItself)
        return tooLong.map { rule.finding(.dead, "the key \($0.label) needs ids of more than \(RecordKey.maximumIDBytes) bytes, which there are not; remove it") }
            + contradictory.map { _ in rule.finding(.dead, "no caller can be in this unit and in this cgroup at the same time; keep one of the two conditions") }
    }

    /// Whether each of its control groups belongs to a unit that it does not want.
    private static func contradictsItself(_ selector: Selector) -> Bool {
        guard let units = selector.units, let cgroups = selector.cgroups else { return false }
        return cgroups.allSatisfy { group in
            guard let unit = ControlGroup.unit(ofPath: group) else { return false }
            return !units.contains { $0.matches(unit) }
        }
    }

    // MARK: What is denied

    /// A verb of the rule with one of its keys; without one if it is about no record.
    private struct Piece: Hashable {
        let verb: Verb
        let key: KeyRange?
    }

    private var pieces: [Piece] { Self.pieces(of: rule) }

    private static func pieces(of rule: PolicyRule) -> [Piece] {
        rule.verbs.verbs.flatMap { verb in
            verb.isAboutRecords ? rule.keys.map { Piece(verb: verb, key: $0) } : [Piece(verb: verb, key: nil)]
        }
    }

    private static func covers(_ wide: PolicyRule, _ piece: Piece) -> Bool {
        guard wide.verbs.contains(piece.verb) else { return false }
        guard let key = piece.key else { return true }
        return wide.keys.contains { $0.covers(key) }
    }

    private var denied: [PolicyFinding] {
        guard !isDeny else { return [] }
        return policy.deny.filter { $0.who.covers(rule.who) }.flatMap { denial -> [PolicyFinding] in
            let covered = pieces.filter { Self.covers(denial, $0) }
            guard covered.count < pieces.count else {
                return [rule.finding(.dead, "never allows anything: \(denial.label) denies all of it; remove one of the two")]
            }
            return deniedVerbs(denial, Set(covered)) + deniedKeys(denial, Set(covered))
        }
    }

    private func deniedVerbs(_ denial: PolicyRule, _ covered: Set<Piece>) -> [PolicyFinding] {
        rule.verbs.verbs.filter { verb in pieces.filter { $0.verb == verb }.allSatisfy(covered.contains) }
            .map { rule.finding(.dead, "never allows \($0.name): \(denial.label) denies it for all of these keys; remove the verb here") }
    }

    private func deniedKeys(_ denial: PolicyRule, _ covered: Set<Piece>) -> [PolicyFinding] {
        rule.keys.filter { key in
            let ofKey = pieces.filter { $0.key == key }
            return !ofKey.isEmpty && ofKey.allSatisfy(covered.contains)
        }
        .map { rule.finding(.dead, "the key \($0.label) never allows anything: \(denial.label) denies it; remove the key here") }
    }

    // MARK: What is said already

    /// A description that a wider one beside it makes superfluous: it looks like a condition and is none.
    private var callersInVain: [PolicyFinding] {
        Self.inVain(rule.who) { $0.covers($1) }.map { _ in
            rule.finding(.shadowed, "one description under who is within another one there, so it restricts nothing; keep the one that is meant")
        }
    }

    private var keysInVain: [PolicyFinding] {
        Self.inVain(rule.keys) { $0.covers($1) }.map {
            rule.finding(.shadowed, "the key \($0.narrow.label) is within \($0.wide.label), so it changes nothing; keep the one that is meant")
        }
    }

    /// Those that others cover; of equal ones all but the first.
    private static func inVain<Value>(_ values: [Value], _ covers: (Value, Value) -> Bool) -> [(narrow: Value, wide: Value)] {
        values.indices.compactMap { index in
            let wide = values.indices.first { other in
                other != index && covers(values[other], values[index]) && (other < index || !covers(values[index], values[other]))
            }
            return wide.map { (values[index], values[$0]) }
        }
    }

    private var shadowed: [PolicyFinding] {
        let others = isDeny ? policy.deny : policy.allow
        guard let own = others.firstIndex(where: { $0.name == rule.name }) else { return [] }
        let wide = others.indices.first { index in
            index != own && covers(others[index]) && (index < own || !Self(policy: policy, rule: others[index], isDeny: isDeny).covers(rule))
        }
        guard let wide else { return [] }
        let limits = rule.limits == .none ? "" : " without limits, so those here never hold"
        return [rule.finding(.shadowed, "changes nothing: \(others[wide].label) says all of it\(limits); remove one of the two")]
    }

    /// Whether another rule of its kind says all that this one says.
    private func covers(_ wide: PolicyRule) -> Bool {
        wide.limits == .none && wide.who.covers(rule.who) && pieces.allSatisfy { Self.covers(wide, $0) }
    }
}
