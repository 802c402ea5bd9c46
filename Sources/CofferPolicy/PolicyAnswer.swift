package import CofferAccess
import CofferCore

extension Explanation.Question {
    /// - Parameters:
    ///   - user: without meaning where the verb is about no record, as `connection` is.
    /// - Throws: if no record has such an id.
    package static func checked(_ verb: Verb, user: String, connection: String) throws(CallerMistake) -> Self {
        guard verb.isAboutRecords else { return Self(verb) }
        do throws(Failure) {
            let key = try RecordKey(user: user, connection: connection)
            return Self(verb, user: key.user, connection: key.connection)
        } catch {
            throw CallerMistake(error.message)
        }
    }
}

/// What a policy says to a caller's question, for `coffer policy test`.
package struct PolicyAnswer: Sendable {
    /// What each rule says.
    package let explanation: Explanation
    /// The caller looks like everybody who has no number of its own on the host, and so is allowed nothing.
    package let isHidden: Bool
    /// What is not proven and could make a call allowed that is denied now.
    package let missing: [Selector.Condition]
    private let policy: Policy

    /// Asks the policy, with limits that are not used up.
    package init(_ question: Explanation.Question, by caller: Caller, _ policy: Policy, overflow: OverflowIDs = OverflowIDs()) {
        let explanation = policy.explain(question, by: caller)
        self.explanation = explanation
        self.policy = policy
        isHidden = caller.uid == overflow.uid || caller.gid == overflow.gid
        let isOpen = !isHidden && !explanation.decision.isAllowed
        missing = isOpen ? Self.missing(question, caller, policy, explanation.steps) : []
    }

    private static func missing(
        _ question: Explanation.Question, _ caller: Caller, _ policy: Policy, _ steps: [Explanation.Step]
    ) -> [Selector.Condition] {
        let unproven = [.unit, .cgroup, .executable, .sha256].filter { !caller.proves($0) }
        let lackingAll = unproven.reduce(caller) { $0.lacking($1) }
        // What denies that caller too denies whatever else is given.
        guard !policy.explain(question, by: lackingAll).steps.contains(where: \.denies) else { return [] }
        return unproven.filter { condition in
            let others = policy.explain(question, by: caller.lacking(condition)).steps
            return zip(steps, others).contains { step, other in
                step.isDeny ? step.denies && !other.denies : step.verdict == .unproven(condition)
            }
        }
    }

    package var isAllowed: Bool { !isHidden && explanation.decision.isAllowed }

    /// The rule that decides; nil if the caller is denied because none allows it.
    package var decidingRule: PolicyRule? {
        guard !isHidden, let step = explanation.steps.first(where: { $0.verdict == .decides }) else { return nil }
        return rule(of: step)
    }

    /// The rule that a step is about.
    package func rule(of step: Explanation.Step) -> PolicyRule { step.isDeny ? policy.deny[step.rule] : policy.allow[step.rule] }

    /// For people.
    package var lines: [String] {
        guard isHidden else { return PolicyReport.lines(explanation, policy) }
        return ["\(PolicyReport.subject(explanation.question)): denied: whoever has no number of its own looks like this caller, so it is allowed nothing"]
    }

    /// What to give for a surer answer; nil if nothing is missing.
    package var advice: String? {
        guard !isHidden, !missing.isEmpty else { return nil }
        let options = missing.map { "--\($0.rawValue)" }.joined(separator: ", ")
        return "not given, so not proven: \(options); rules that ask for it do not allow, and do deny"
    }
}

extension Explanation.Step {
    fileprivate var denies: Bool { isDeny && (verdict == .decides || verdict == .applies) }
}

extension Caller {
    fileprivate func proves(_ condition: Selector.Condition) -> Bool {
        switch condition {
        case .user, .group: true
        case .unit: unit != .unproven
        case .cgroup: cgroup != .unproven
        case .executable: executable != .unproven
        // Without a program there is nothing to have a digest.
        case .sha256: executable.value.map { $0.digest != .unproven } ?? true
        }
    }

    /// The same, that surely does not have the property.
    fileprivate func lacking(_ condition: Selector.Condition) -> Caller {
        var caller = self
        switch condition {
        case .user, .group: break
        case .unit: caller.unit = .absent
        case .cgroup: caller.cgroup = .absent
        case .executable: caller.executable = .absent
        case .sha256: if let path = executable.value?.path { caller.executable = .proven(.init(path: path, digest: .absent)) }
        }
        return caller
    }
}
