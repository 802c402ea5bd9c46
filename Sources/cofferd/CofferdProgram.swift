import ArgumentParser
import CofferCommandLine
import CofferDaemon
import CofferProcess
import Glibc

/// The program: arguments in, one exit code out.
@main
enum CofferdProgram {
    /// sysexits.h: EX_USAGE.
    private static let usageExitCode: Int32 = 64

    static func main() {
        // A reload that is asked for during the start takes place after it.
        Signals.holdHangUp()
        // Before anything can open a descriptor.
        StandardStream.prepare()
        do {
            try end(CommandLineResult(Cofferd.self, arguments: try ProcessInput.arguments()))
            try StandardStream.output.finish()
        } catch let error as InvalidText {
            end(["INVALID_ARGUMENT: \(error)"], StartupError.configurationExitCode)
        } catch {
            end(["\(error)"], 1)
        }
    }

    private static func end(_ result: CommandLineResult) throws {
        switch result {
        case .text(let text):
            try StandardStream.output.write(text.hasSuffix("\n") ? text : text + "\n")
        case .refused(let message, let usage):
            end(["INVALID_ARGUMENT: \(message)"], usageExitCode, then: usage)
        case .ended(let code):
            exit(code)
        case .command(var command):
            do {
                try command.run()
            } catch let error as StreamFailure {
                throw error
            } catch {
                try end(CommandLineResult(Cofferd.self, error))
            }
        }
    }

    /// Ends the process: each line behind the program's name, on standard error.
    static func end(_ lines: [String], _ code: Int32, then usage: String = "") -> Never {
        let text = lines.map { "cofferd: \(Printable.line($0))\n" }.joined() + (usage.isEmpty ? "" : usage + "\n")
        // Nobody can be told that standard error fails; the exit code says what happened.
        try? StandardStream.error.write(text)
        exit(code)
    }
}
