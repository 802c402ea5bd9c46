package import CofferCore

/// What one caller may do, by one policy: made once for a connection, asked with each of its records.
///
/// Ids are lent as UTF-8. An id that is empty or longer than any may be is allowed nothing.
package final class CallerGrants: Sendable {
    /// How a question was decided. Rules are named by their place in ``Policy/allow``.
    package enum Decision: Equatable, Sendable {
        /// By this rule, which sets no limit.
        case allowed(rule: Int)
        /// By this rule, within its limits.
        case limited(rule: Int)
        /// The limits of all rules that allow it are used up; there will be room in so many nanoseconds.
        case exhausted(rule: Int, nanoseconds: UInt64)
        case denied

        /// By a rule without limits: nothing is to be counted.
        @inline(__always)
        package var isFree: Bool {
            guard case .allowed = self else { return false }
            return true
        }

        package var isAllowed: Bool {
            switch self {
            case .allowed, .limited: true
            case .exhausted, .denied: false
            }
        }
    }

    /// A rule that allows something, with limits.
    private struct LimitedGrant: Sendable {
        let rule: Int
        /// Those that are not about records.
        let verbs: VerbSet
        let table: RuleTable
        let usage: GrantUsage
    }

    /// Nothing, by no policy that ever was in force.
    package static let none = CallerGrants(
        Policy(), for: Caller(uid: .max, gid: .max), generation: 0, usages: UsageLedger(), now: BootInstant(nanoseconds: 0))

    package let caller: Caller
    /// What it was made by.
    package let policy: Policy
    /// Of that policy.
    package let generation: UInt64
    /// Whether there is nothing at all that the caller may do.
    package let isEmpty: Bool
    private let denials: RuleTable
    /// Of rules without limits.
    private let free: RuleTable
    private let freeVerbs: [Int]
    private let limited: [LimitedGrant]
    let coverage: CoverageKeys

    /// - Parameters:
    ///   - policy: its rules may be about others, too.
    ///   - now: for the bookkeeping of limits.
    package init(_ policy: Policy, for caller: Caller, generation: UInt64, usages: UsageLedger, now: BootInstant) {
        self.caller = caller
        self.policy = policy
        self.generation = generation
        let bound = BoundPolicy(policy, for: caller)
        denials = RuleTable(bound.denials)
        free = RuleTable(bound.free.flatMap(\.keys))
        freeVerbs = Verb.allCases.map { verb in bound.free.first { $0.verbs.contains(verb) }?.rule ?? -1 }
        limited = bound.limited.map { grant in
            LimitedGrant(
                rule: grant.rule, verbs: grant.verbs, table: RuleTable(grant.keys),
                usage: usages.usage(of: policy.allow[grant.rule].name, policy.allow[grant.rule].limits, uid: caller.uid, now: now))
        }
        coverage = CoverageKeys(bound)
        isEmpty = free.isEmpty && limited.isEmpty && freeVerbs.allSatisfy { $0 < 0 }
    }

    deinit { for grant in limited { grant.usage.release() } }

    // MARK: One record

    /// Whether the caller may do this with a record; takes a token where a limit is set.
    @inline(__always)
    package func admit(_ verb: Verb, user: RawSpan, connection: RawSpan, now: BootInstant) -> Decision {
        decide(verb, user, connection, takingAt: now)
    }

    /// Whether the caller may do this with a record, whatever limits it has used up.
    @inline(__always)
    package func decision(_ verb: Verb, user: RawSpan, connection: RawSpan) -> Decision {
        decide(verb, user, connection, takingAt: nil)
    }

    @inline(__always)
    private func decide(_ verb: Verb, _ user: RawSpan, _ connection: RawSpan, takingAt now: BootInstant?) -> Decision {
        guard Self.isID(user), Self.isID(connection) else { return .denied }
        let (word, length) = (PatternHead.word(user), RuleTable.bit(ofLength: user.byteCount))
        if !denials.isEmpty && denials.rule(for: verb, user, connection, word: word, length: length) >= 0 { return .denied }
        let rule = free.rule(for: verb, user, connection, word: word, length: length)
        if rule >= 0 { return .allowed(rule: rule) }
        return limited.isEmpty ? .denied : decideLimited(verb, user, connection, takingAt: now)
    }

    @inline(__always)
    private static func isID(_ id: RawSpan) -> Bool { UInt(bitPattern: id.byteCount &- 1) < UInt(bitPattern: RecordKey.maximumIDBytes) }

    /// The first rule of the policy that has room.
    @inline(never)
    private func decideLimited(_ verb: Verb, _ user: RawSpan, _ connection: RawSpan, takingAt now: BootInstant?) -> Decision {
        var decision = Decision.denied
        for index in limited.indices where limited[index].table.rule(for: verb, user, connection) >= 0 {
            if take(index, now, &decision) { break }
        }
        return decision
    }

    /// - Returns: whether nothing else need be tried.
    private func take(_ index: Int, _ now: BootInstant?, _ decision: inout Decision) -> Bool {
        let rule = limited[index].rule
        guard let now, let wait = limited[index].usage.take(now: now) else {
            decision = .limited(rule: rule)
            return true
        }
        if case .exhausted(_, let shortest) = decision, shortest <= wait { return false }
        decision = .exhausted(rule: rule, nanoseconds: wait)
        return false
    }

    /// The rule that denies a record to the caller, by its place in ``Policy/deny``; nil if none does. For explanations:
    /// what nothing allows is denied by no rule.
    package func denyingRule(_ verb: Verb, user: RawSpan, connection: RawSpan) -> Int? {
        let rule = denials.rule(for: verb, user, connection)
        return rule >= 0 ? rule : nil
    }

    // MARK: No record

    /// Whether the caller may do what is about no record; takes a token where a limit is set.
    package func admit(_ verb: Verb, now: BootInstant) -> Decision { decide(verb, takingAt: now) }

    /// Whether the caller may do what is about no record, whatever limits it has used up.
    package func decision(_ verb: Verb) -> Decision { decide(verb, takingAt: nil) }

    private func decide(_ verb: Verb, takingAt now: BootInstant?) -> Decision {
        let rule = freeVerbs[Int(verb.rawValue)]
        if rule >= 0 { return .allowed(rule: rule) }
        var decision = Decision.denied
        for index in limited.indices where limited[index].verbs.contains(verb) {
            if take(index, now, &decision) { break }
        }
        return decision
    }

    // MARK: Several records

    /// Whether the caller may ask for whatever of a user's records it is allowed, as List does; each record is then asked
    /// for by ``decision(_:user:connection:)``. Takes one token where only rules with limits allow any.
    ///
    /// - Parameter user: nil = whatever of all records.
    package func admitListing(_ verb: Verb, ofUser user: RawSpan? = nil, now: BootInstant) -> Decision {
        var decision = Decision.denied
        for rule in coverage.rules(verb, ofUser: user?.array) {
            guard let index = limited.firstIndex(where: { $0.rule == rule }) else { return .allowed(rule: rule) }
            if take(index, now, &decision) { break }
        }
        return decision
    }

    // MARK: Limits of calls in flight

    /// What counts the calls that a rule allowed and that wait for a vault; nil if nothing does.
    package func usage(ofRule rule: Int) -> GrantUsage? { limited.first { $0.rule == rule }?.usage }

    // MARK: Answers

    /// How a call that is not allowed is answered.
    package enum Refusal: Equatable, Sendable {
        /// As if there were no such record.
        case absent
        /// PERMISSION_DENIED.
        case denied
    }

    /// How to refuse a call for one record: whoever may not read it cannot tell whether it is there.
    package func refusal(of verb: Verb, user: RawSpan, connection: RawSpan) -> Refusal {
        switch verb {
        case .get: .absent
        case .delete: mayRead(user: user, connection: connection) ? .denied : .absent
        // Whether there is such a record has no part in what these are answered.
        case .store, .list, .invalidate, .health, .stats, .doctor: .denied
        }
    }

    /// Whether the caller may be told that there is a record: by a Store with a condition, or by when the record came to be.
    package func mayRead(user: RawSpan, connection: RawSpan) -> Bool {
        decision(.get, user: user, connection: connection).isAllowed
    }
}
