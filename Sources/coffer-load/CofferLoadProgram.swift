internal import ArgumentParser
internal import CofferCommandLine
internal import CofferLoad
internal import CofferProcess

/// The program: arguments in, one exit code out.
@main
enum CofferLoadProgram {
    /// sysexits.h: EX_USAGE.
    private static let usageExitCode: Int32 = 64

    static func main() {
        // Before anything can open a descriptor.
        StandardStream.prepare()
        do {
            try end(CommandLineResult(CofferLoadCommand.self, arguments: try ProcessInput.arguments()))
            try StandardStream.output.finish()
        } catch let error as InvalidText {
            fail("INVALID_ARGUMENT: \(error)", usageExitCode)
        } catch {
            fail("\(error)", 1)
        }
    }

    private static func end(_ result: CommandLineResult) throws {
        switch result {
        case .text(let text):
            try StandardStream.output.write(text.hasSuffix("\n") ? text : text + "\n")
        case .refused(let message, let usage):
            fail("INVALID_ARGUMENT: \(message)", usageExitCode, then: usage + "\n")
        case .ended(let code):
            CofferLoadCommand.exit(withError: ExitCode(code))
        case .command(let command):
            guard let load = command as? CofferLoadCommand else {
                try end(CommandLineResult(CofferLoadCommand.self, CleanExit.helpRequest()))
                return
            }
            try load.run()
        }
    }

    private static func fail(_ line: String, _ code: Int32, then usage: String = "") -> Never {
        try? StandardStream.error.write("coffer-load: \(Printable.line(line))\n\(usage)")
        CofferLoadCommand.exit(withError: ExitCode(code))
    }
}
