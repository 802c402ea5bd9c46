import ArgumentParser
import Coffer
import FoundationEssentials

/// Runs the interoperability cases with the Swift client.
@main
struct CofferInterop: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coffer-interop-swift",
        abstract: "Runs interoperability cases with the Swift client against a daemon with empty vaults.",
        subcommands: [Cases.self, Find.self, Load.self], defaultSubcommand: Cases.self)
}

struct Cases: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Runs the cases of a file.")

    @Option(help: "The daemon's socket.")
    var socket: String

    @Option(help: "The file of cases.")
    var cases: String

    func run() async throws {
        let file = try String(decoding: Data(contentsOf: URL(filePath: cases)), as: UTF8.self)
        var runner = CaseRunner(client: CofferClient(socketPath: socket))
        var failed = 0
        let cases = try InteropCase.parse(file)
        for test in cases {
            let problems = await runner.run(test)
            if problems.isEmpty { continue }
            failed += 1
            print("line \(test.line): \(test.method): \(problems.joined(separator: "; "))")
        }
        print("\(cases.count - failed) passed, \(failed) failed")
        if failed > 0 || cases.isEmpty { throw ExitCode.failure }
    }
}

struct Find: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Asks the daemon that the environment names for a record; prints \"STATUS: text\".")

    func run() async throws {
        do {
            _ = try await CofferClient().credential(user: "nobody", connection: "nothing")
            print("OK: ")
        } catch let error as CofferError {
            print(error)
        }
    }
}
