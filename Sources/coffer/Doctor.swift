import ArgumentParser
import Coffer

struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Have the daemon store, read, compare and delete a test record in each vault.",
        discussion: """
            The record belongs to the user coffer-doctor and is deleted again. The exit code is the \
            status of the first failure.
            """)

    @Option(help: ArgumentHelp("Only the vault of this name.", valueName: "name"))
    var vault: String?

    @OptionGroup var daemon: DaemonOptions

    func validate() throws {
        // The daemon takes an empty name for every vault.
        guard vault != "" else { throw ValidationError("--vault: expected a vault's name, got none") }
    }

    func run() async throws {
        try await daemon.withClient { client in
            let found = try await client.examineVaults(vault, timeout: daemon.wait)
            if daemon.json {
                try JSON.print(found.map(ExaminationOutput.init))
            } else {
                Standard.output(found.map(text).joined(separator: "\n"))
            }
            if let failure = found.lazy.compactMap(\.failure).first {
                throw ExitCode(Int32(failure.code.rawValue))
            }
        }
    }

    // MARK: Words

    private func text(_ examination: VaultExamination) -> String {
        let steps = examination.steps.map { "  \(text($0))\n" }.joined()
        let verdict = examination.failure == nil ? "works" : "does not work"
        return "vault \(examination.name) (\(examination.kind)): \(verdict)\n\(steps)"
    }

    private func text(_ step: VaultExamination.Step) -> String {
        let what = Self.name(step.action)
        switch step.outcome {
        case .done: return "ok      \(what), \(Words.text(step.duration))"
        case .skipped: return "skipped \(what)"
        case .failed(let error):
            let check = step.advice.isEmpty ? "" : "\n          check: \(step.advice)"
            return "FAILED  \(what), \(Words.text(step.duration)): \(error.code): \(error.message)\(check)"
        }
    }

    private static func name(_ action: VaultExamination.Step.Action) -> String {
        switch action {
        case .store: "stored a test record"
        case .get: "read it, past the cache"
        case .compare: "compared it with what was stored"
        case .delete: "deleted it"
        default: "step \(action.rawValue)"
        }
    }
}

private struct ExaminationOutput: Encodable {
    struct Step: Encodable {
        let action: String
        let outcome: String
        let durationUs: Int64
        let status: UInt32
        let reason: Int?
        let message: String?
        let advice: String?

        init(_ step: VaultExamination.Step) {
            action =
                switch step.action {
                case .store: "store"
                case .get: "get"
                case .compare: "compare"
                case .delete: "delete"
                default: String(step.action.rawValue)
                }
            durationUs = Int64(step.duration / .microseconds(1))
            advice = step.advice.isEmpty ? nil : step.advice
            switch step.outcome {
            case .done: (outcome, status, reason, message) = ("done", 0, nil, nil)
            case .skipped: (outcome, status, reason, message) = ("skipped", 0, nil, nil)
            case .failed(let error):
                (outcome, status, reason, message) =
                    ("failed", error.code.rawValue, error.reason.rawValue, error.message)
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
