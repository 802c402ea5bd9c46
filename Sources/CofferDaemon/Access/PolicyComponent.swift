import CofferAccess
import CofferPolicy
import CofferServer
import Logging

/// The policy in force, which a reload replaces.
final class PolicyComponent: Component {
    private let source: PolicySource
    private let log: Logger
    private let current: CurrentPolicy

    /// - Parameters:
    ///   - first: what is in force from the start.
    ///   - log: learns what the kernel cannot prove.
    init(_ first: Policy, _ source: PolicySource, overflow: OverflowIDs, log: Logger) {
        self.source = source
        self.log = log
        current = CurrentPolicy(first, overflow: overflow)
    }

    func start() throws(StartupError) -> CurrentPolicy {
        warn(current.compiled.policy)
        return current
    }

    func reload(_ configuration: Configuration) -> ReloadOutcome {
        do throws(PolicyRefused) {
            let policy = try source.policy(configuration)
            guard policy != current.compiled.policy else { return ReloadOutcome() }
            warn(policy)
            current.replace(with: policy)
            return ReloadOutcome(reread: ["policy_file"])
        } catch {
            return ReloadOutcome(failures: error.lines.map { "policy_file: \($0)" })
        }
    }

    private func warn(_ policy: Policy) {
        guard !policy.evidence.isDisjoint(with: [.cgroup, .executable, .digest]), !ProcessHandle.areGiven else { return }
        log.warning(
            "the policy asks for units, control groups or executables, which this kernel cannot prove (before Linux 6.5): rules that allow by them allow nothing, rules that deny by them deny everybody"
        )
    }
}
