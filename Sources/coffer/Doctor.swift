import ArgumentParser
import Coffer
import CofferCommandLine
import CofferProcess

struct Doctor: CofferSubcommand {
    static let configuration = CommandConfiguration(
        abstract: "Test each vault end to end with a temporary record.",
        discussion: """
            The daemon stores the record under the user coffer-doctor, reads it past the cache, compares it and deletes it. The exit code is the \
            status of the first failure.
            """)

    @Option(help: ArgumentHelp("Only the vault of this name.", valueName: "name"))
    var vault: String?

    @OptionGroup var daemon: DaemonOptions

    func validate() throws {
        // To the daemon an empty name means every vault.
        guard vault != "" else { throw ValidationError.checked("--vault: expected a vault's name, got none") }
    }

    func run() async throws {
        try await daemon.withClient { client in
            let found = try await client.examineVaults(vault, timeout: daemon.wait)
            if daemon.json {
                try JSON.print(found.map(ExaminationOutput.init))
            } else {
                try StandardStream.output.write(found.map(text).joined(separator: "\n"))
            }
            if let failure = found.lazy.compactMap(\.failure).first {
                throw ExitCode(Int32(failure.code.rawValue))
            }
        }
    }

    // MARK: Words

    private func text(_ examination: VaultExamination) -> String {
        let verdict = examination.failure == nil ? "works" : "does not work"
        let lines = ["vault \(examination.name) (\(examination.kind)): \(verdict)"]
            + examination.steps.flatMap(lines)
        return lines.map { Printable.line($0) + "\n" }.joined()
    }

    private func lines(_ step: VaultExamination.Step) -> [String] {
        let name = step.action.name
        switch step.outcome {
        case .done: return ["  ok: \(name), \(Quantity.text(step.duration))"]
        case .skipped: return ["  skipped: \(name)"]
        case .failed(let error):
            let line = "  FAILED: \(name), \(Quantity.text(step.duration)): \(error.code): \(error.message)"
            return step.advice.isEmpty ? [line] : [line, "    advice: \(step.advice)"]
        }
    }
}

extension VaultExamination.Step.Action {
    /// As in the protocol.
    fileprivate var name: String {
        switch self {
        case .store: "store"
        case .get: "get"
        case .compare: "compare"
        case .delete: "delete"
        default: "step \(rawValue)"
        }
    }
}

private struct ExaminationOutput: Encodable {
    struct Step: Encodable {
        let action: String
        let outcome: String
        let durationUs: Int64
        let status: String
        let reason: String?
        let message: String?
        let advice: String?

        init(_ step: VaultExamination.Step) {
            action = step.action.name
            durationUs = Int64(step.duration / .microseconds(1))
            advice = step.advice.isEmpty ? nil : step.advice
            switch step.outcome {
            case .done: (outcome, status, reason, message) = ("done", "OK", nil, nil)
            case .skipped: (outcome, status, reason, message) = ("skipped", "OK", nil, nil)
            case .failed(let error):
                (outcome, status, reason, message) =
                    ("failed", error.code.description, error.reason.told, error.message)
            }
        }
    }

    let name: String
    let kind: String
    let works: Bool
    let steps: [Step]

    init(_ examination: VaultExamination) {
        name = examination.name
        kind = examination.kind
        works = examination.failure == nil
        steps = examination.steps.map(Step.init)
    }
}
