package import CofferCore
import Synchronization

/// A policy in force, and what it gives to each caller that was seen.
package final class CompiledPolicy: Sendable {
    /// How many callers are remembered, so that equal ones share their grants.
    static let maximumCallers = 256

    package let policy: Policy
    /// One more than that of the policy before.
    package let generation: UInt64
    /// What has to be found out of a caller.
    package let evidence: EvidenceKinds
    private let overflow: OverflowIDs
    private let usages: UsageLedger
    private let known = Mutex<[Caller: CallerGrants]>([:])

    package init(_ policy: Policy, generation: UInt64, overflow: OverflowIDs, usages: UsageLedger) {
        self.policy = policy
        self.generation = generation
        self.overflow = overflow
        self.usages = usages
        evidence = policy.evidence
    }

    /// What a caller may do; nil if there is nothing, or the kernel does not say who it is.
    package func grants(for caller: Caller, now: BootInstant) -> CallerGrants? {
        let grants = grantsOrNone(for: caller, now: now)
        return grants.isEmpty ? nil : grants
    }

    /// What a caller may do, also if that is nothing.
    package func grantsOrNone(for caller: Caller, now: BootInstant) -> CallerGrants {
        guard caller.uid != overflow.uid, overflow.gid != caller.gid else {
            return CallerGrants(Policy(), for: caller, generation: generation, usages: usages, now: now)
        }
        let caller = withoutOverflowGroup(caller)
        if let grants = known.withLock({ $0[caller] }) { return grants }
        let grants = CallerGrants(policy, for: caller, generation: generation, usages: usages, now: now)
        known.withLock { known in
            // Callers choose what they are, as far as they have several units or programs.
            if known.count >= Self.maximumCallers { known.removeAll() }
            known[caller] = grants
        }
        return grants
    }

    /// Groups that have no number here all look like one.
    private func withoutOverflowGroup(_ caller: Caller) -> Caller {
        guard let gid = overflow.gid, let groups = caller.groups.value, groups.contains(gid) else { return caller }
        var caller = caller
        caller.groups = .proven(groups.filter { $0 != gid })
        return caller
    }
}

/// The policy that is in force now, which a reload replaces. For any thread.
package final class CurrentPolicy: Sendable {
    private let generation: Atomic<UInt64>
    private let current: Mutex<CompiledPolicy>
    private let overflow: OverflowIDs
    private let usages = UsageLedger()

    package init(_ policy: Policy, overflow: OverflowIDs) {
        let first = CompiledPolicy(policy, generation: 1, overflow: overflow, usages: usages)
        generation = Atomic(first.generation)
        current = Mutex(first)
        self.overflow = overflow
    }

    /// Whether these grants are by the policy in force: asked with each call, before its grants are.
    @inline(__always)
    package func isCurrent(_ grants: CallerGrants) -> Bool { generation.load(ordering: .acquiring) == grants.generation }

    /// The policy in force.
    package var compiled: CompiledPolicy { current.withLock { $0 } }

    /// Puts another policy in force, for connections that are open, too: their next call finds that its grants are old.
    package func replace(with policy: Policy) {
        current.withLock { current in
            guard policy != current.policy else { return }
            current = CompiledPolicy(policy, generation: current.generation + 1, overflow: overflow, usages: usages)
            generation.store(current.generation, ordering: .releasing)
        }
    }
}
