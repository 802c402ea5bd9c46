import CofferAccess
import CofferCore
package import CofferPolicy

/// Plays a text against the reader of policies, and what it reads against what a policy promises: for tests, and for the fuzzer.
package enum PolicyProbe {
    /// - Returns: nil, or which promise was broken.
    package static func play(_ text: String) -> String? {
        let policy: Policy
        do throws(PolicyMistakes) {
            policy = try PolicyFile.read(text, .example)
        } catch {
            guard !error.mistakes.isEmpty else { return "refused without a mistake" }
            return error.mistakes.first { $0.line < 1 || $0.column < 1 || $0.message.isEmpty }.map { "a mistake without its place: \($0)" }
        }
        let names = (policy.allow + policy.deny).map(\.name)
        guard Set(names).count == names.count else { return "two rules of one name" }
        // Of many keys they take longer than one text may.
        let keys = (policy.allow + policy.deny).reduce(0) { $0 + $1.keys.count }
        if keys <= 128, let finding = policy.findings.first(where: { $0.line < 1 || !names.contains($0.rule) }) { return "a finding without its rule: \(finding)" }
        return callers.lazy.compactMap { broken(policy, $0) }.first
    }

    private static let callers = [
        Caller(uid: 8, gid: 500),
        Caller(
            uid: 1_000, gid: 1_000, groups: .proven([500]), userName: .proven("ann"), unit: .proven("w@blue.service"),
            cgroup: .proven("/system.slice/w@blue.service"), executable: .proven(.init(path: "/usr/bin/mail-sync"))),
    ]

    private static func broken(_ policy: Policy, _ caller: Caller) -> String? {
        let grants = CallerGrants(policy, for: caller, generation: 1, usages: UsageLedger(), now: BootInstant(nanoseconds: 0))
        for (user, connection) in [("ann", "smtp"), ("root", "x"), ("blue", "imap-1")] {
            for verb in Verb.allCases where verb.isAboutRecords {
                let decision = Array(user.utf8).lend { user in
                    Array(connection.utf8).lend { grants.decision(verb, user: user, connection: $0) }
                }
                let explained = policy.explain(.init(verb, user: user, connection: connection), by: caller).decision
                guard decision == explained else { return "decided \(decision), explained \(explained)" }
                if decision.isAllowed, policy.allow.isEmpty { return "allowed by no rule" }
            }
        }
        return nil
    }
}

extension HostNames {
    /// A host of a few users and groups.
    package static let example = HostNames(
        uid: { ["root": 0, "mail": 8, "nobody": 65_534, "ann": 1_000, "worker": 1_001, "coffer": 900, "prometheus": 901][$0] },
        gid: { ["workers": 500, "nogroup": 65_534][$0] })
}
