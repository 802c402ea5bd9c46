import ArgumentParser
import Coffer
import CofferAccess
import CofferCommandLine
import CofferPolicy
import CofferProcess

struct PolicyTest: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test",
        abstract: "Show whether a policy allows a call, and what each rule says to it.",
        usage: "coffer policy test <file> --as <user> [<option> ...] <verb> [<user-id> <connection-id>]",
        discussion: """
            The verb is get, store, delete, list or invalidate, with the ids of a record; or health, stats or doctor, without. Limits are taken as not \
            used up. What is not given of unit, control group and program counts as not proven. The exit code is 0 if the call is allowed, \
            7 (PERMISSION_DENIED) if it is denied, and 3 (INVALID_ARGUMENT) if the policy has mistakes.
            """)

    @OptionGroup var policy: PolicyOptions

    @Argument(help: "What the caller asks for.") var verb: String
    @Argument(help: "The user id of the record.") var userId: String?
    @Argument(help: "The connection id of the record.") var connectionId: String?

    @Option(name: .customLong("as"), help: ArgumentHelp("Who calls: a user's name or number, with the groups that the user has on this host.", valueName: "user"))
    var user: String

    @Option(name: .customLong("group"), help: ArgumentHelp("One more group of the caller, by name or number; may be repeated.", valueName: "group"))
    var groups: [String] = []

    @Option(help: ArgumentHelp("The unit that the caller runs in, such as mail.service.", valueName: "unit"))
    var unit: String?

    @Option(help: ArgumentHelp("The caller's control group, which also says its unit.", valueName: "path"))
    var cgroup: String?

    @Option(help: ArgumentHelp("The file that the caller's program was started from.", valueName: "path"))
    var executable: String?

    @Option(help: ArgumentHelp("What sha256sum prints for that file.", valueName: "digest"))
    var sha256: String?

    func validate() throws {
        let verb = try asked()
        guard !verb.isAboutRecords || connectionId != nil else {
            throw ValidationError.checked("\(verb.name) is about a record: give <user-id> and <connection-id> behind it")
        }
        guard verb.isAboutRecords || userId == nil else {
            throw ValidationError.checked("\(verb.name) is about no record: leave out what follows it")
        }
    }

    private func asked() throws -> Verb {
        let verbs = Verb.allCases
        if let verb = verbs.first(where: { $0.name == self.verb }) { return verb }
        let names = verbs.map(\.name)
        let meant = Spelling.nearest(to: self.verb, among: names).map { "; did you mean \($0)?" } ?? ""
        throw ValidationError.checked("<verb>: expected one of \(names.joined(separator: ", "))\(meant)")
    }

    func run() throws {
        let host = policy.host
        let read = try read(host)
        let caller = try caller(host)
        let answer = PolicyAnswer(try question(asked()), by: caller, read)
        if policy.json {
            try JSON.print(PolicyTestOutput(answer, caller))
        } else {
            try policy.write(answer.lines)
        }
        if let advice = answer.advice { policy.report.note(advice) }
        guard answer.isAllowed else { throw ExitCode(Int32(CofferError.Code.permissionDenied.rawValue)) }
    }

    private func read(_ host: HostNames) throws(CofferError) -> Policy {
        let text = try policy.text()
        do throws(PolicyMistakes) {
            return try PolicyFile.read(text, host)
        } catch {
            let first = PolicyReport.lines(error, file: policy.file)[0]
            let others = error.mistakes.count > 1 ? " (\(error.mistakes.count - 1) more; coffer policy check shows all)" : ""
            throw CofferError(.invalidArgument, .badField, first + others)
        }
    }

    private func caller(_ host: HostNames) throws(CofferError) -> Caller {
        var description = CallerDescription(user: user)
        description.groups = groups
        (description.unit, description.cgroup) = (unit, cgroup)
        (description.executable, description.sha256) = (executable, sha256)
        do throws(CallerMistake) {
            return try description.caller(host)
        } catch {
            throw CofferError(.invalidArgument, .badField, error.description)
        }
    }

    private func question(_ verb: Verb) throws(CofferError) -> Explanation.Question {
        do throws(CallerMistake) {
            return try .checked(verb, user: userId ?? "", connection: connectionId ?? "")
        } catch {
            throw CofferError(.invalidArgument, .badField, error.description)
        }
    }
}

private struct PolicyTestOutput: Encodable {
    struct Who: Encodable {
        let uid: UInt32
        /// Absent where the user has no entry.
        let gid: UInt32?
        let groups: [UInt32]
        let name: String?
        let unit: String?
        let cgroup: String?
        let executable: String?

        init(_ caller: Caller) {
            uid = caller.uid
            gid = caller.gid == .max ? nil : caller.gid
            groups = caller.groups.value ?? []
            name = caller.userName.value
            unit = caller.unit.value
            cgroup = caller.cgroup.value
            executable = caller.executable.value?.path
        }
    }

    struct Rule: Encodable {
        let kind: String
        let name: String
        let line: Int
        let decides: Bool
        let message: String

        init(_ step: Explanation.Step, _ rule: PolicyRule) {
            kind = step.isDeny ? "deny" : "allow"
            name = rule.name
            line = rule.line
            decides = step.verdict == .decides
            message = PolicyReport.words(step.verdict)
        }
    }

    let allowed: Bool
    /// The rule that decides; absent where none allows the call.
    let rule: String?
    let caller: Who
    let rules: [Rule]
    /// Not given, and a rule asks for it.
    let notProven: [String]

    init(_ answer: PolicyAnswer, _ caller: Caller) {
        allowed = answer.isAllowed
        rule = answer.decidingRule?.name
        self.caller = Who(caller)
        rules = answer.isHidden ? [] : answer.explanation.steps.map { Rule($0, answer.rule(of: $0)) }
        notProven = answer.isHidden ? [] : answer.missing.map(\.rawValue)
    }
}
