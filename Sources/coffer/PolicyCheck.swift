import ArgumentParser
import Coffer
import CofferAccess
import CofferPolicy
import CofferProcess

struct PolicyCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Show the mistakes in a policy, and what in it is probably not meant.",
        discussion: """
            A mistake is a line with FILE:LINE:COLUMN. Where there is none, a rule that has no effect, or allows more than it looks, is a line with \
            FILE:LINE. The exit code is 3 (INVALID_ARGUMENT) if there are mistakes.
            """)

    @OptionGroup var policy: PolicyOptions

    func run() throws {
        let text = try policy.text()
        let read: Policy
        do throws(PolicyMistakes) {
            read = try PolicyFile.read(text, policy.host)
        } catch {
            try show(error)
            if isBetterElsewhere(text, error) { policy.report.note("with --other-host, users and groups need not exist on this host") }
            throw ExitCode(Int32(CofferError.Code.invalidArgument.rawValue))
        }
        try show(read.findings, rules: read.allow.count + read.deny.count)
    }

    private func isBetterElsewhere(_ text: String, _ mistakes: PolicyMistakes) -> Bool {
        guard !policy.otherHost else { return false }
        do throws(PolicyMistakes) {
            _ = try PolicyFile.read(text, .ofAnotherHost())
            return true
        } catch {
            return error.mistakes.count < mistakes.mistakes.count
        }
    }

    private func show(_ mistakes: PolicyMistakes) throws {
        if policy.json { return try JSON.print(PolicyCheckOutput(policy.file, mistakes)) }
        let count = PolicyReport.count(mistakes.mistakes.count, "mistake")
        try policy.write(PolicyReport.lines(mistakes, file: policy.file) + ["\(policy.file): refused, \(count)"])
    }

    private func show(_ findings: [PolicyFinding], rules: Int) throws {
        if policy.json { return try JSON.print(PolicyCheckOutput(policy.file, findings, rules: rules)) }
        let counts = "\(PolicyReport.count(rules, "rule")), \(PolicyReport.count(findings.count, "finding"))"
        try policy.write(PolicyReport.lines(findings, file: policy.file) + ["\(policy.file): valid, \(counts)"])
    }
}

private struct PolicyCheckOutput: Encodable {
    struct Mistake: Encodable {
        let line: Int
        let column: Int
        let message: String
    }

    struct Finding: Encodable {
        let kind: String
        let rule: String
        let line: Int
        let message: String
    }

    let file: String
    let valid: Bool
    /// Absent where the policy is not valid.
    let rules: Int?
    let mistakes: [Mistake]
    let findings: [Finding]

    init(_ file: String, _ mistakes: PolicyMistakes) {
        self.file = file
        (valid, rules, findings) = (false, nil, [])
        self.mistakes = mistakes.mistakes.map { Mistake(line: $0.line, column: $0.column, message: $0.message) }
    }

    init(_ file: String, _ findings: [PolicyFinding], rules: Int) {
        self.file = file
        (valid, mistakes) = (true, [])
        self.rules = rules
        self.findings = findings.map { Finding(kind: $0.kind.rawValue, rule: $0.rule, line: $0.line, message: $0.message) }
    }
}
