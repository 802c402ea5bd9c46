import ArgumentParser
import CLinux
import CofferCommandLine
import CofferProcess
import Glibc

/// The program: arguments in, one exit code out.
@main
enum CofferProgram {
    /// sysexits.h: EX_USAGE.
    private static let usageExitCode: Int32 = 64

    /// What `coffer run` gives back to the command that takes its place.
    static let inherited = InheritedState()

    static func main() {
        _ = inherited
        // Before anything can open a descriptor.
        StandardStream.prepare()
        Faults.endQuietly()
        let arguments: [String]
        do {
            arguments = try ProcessInput.arguments()
        } catch {
            exit(ErrorReport(isJSON: false).fail(error))
        }
        // Credentials go through this process: it leaves no core, and no other process looks in. Where
        // the system refuses that, the command works all the same. What `run` starts may need new privileges, as sudo does.
        _ = coffer_harden_process(arguments.first != Run.configuration.commandName)
        Task.detached { exit(await run(arguments)) }
        while true { pause() }
    }

    private static func run(_ arguments: [String]) async -> Int32 {
        let report = ErrorReport(isJSON: arguments.prefix { $0 != "--" }.contains("--json"))
        do {
            let code = try await run(CommandLineResult(CofferCommand.self, arguments: arguments), report)
            try StandardStream.output.finish()
            return code
        } catch {
            return report.fail(error)
        }
    }

    private static func run(_ result: CommandLineResult, _ report: ErrorReport) async throws -> Int32 {
        switch result {
        case .text(let text):
            try StandardStream.output.write(text.hasSuffix("\n") ? text : text + "\n")
            return 0
        case .refused(let message, let usage):
            report.refuse(message, usage: usage)
            return usageExitCode
        case .ended(let code):
            return code
        case .command(var command):
            do {
                if var asynchronous = command as? any CofferSubcommand {
                    try await asynchronous.run()
                } else {
                    try command.run()
                }
                return 0
            } catch let error where !ErrorReport.knows(error) {
                return try await run(CommandLineResult(CofferCommand.self, error), report)
            }
        }
    }
}
