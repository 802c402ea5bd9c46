import ArgumentParser
import Coffer
import CofferPolicy
import CofferProcess

/// What can be done with a policy without a daemon.
struct PolicyCommands: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "policy",
        abstract: "Check a policy, and test what it allows, without a daemon.",
        discussion: "The policy is read as the daemon reads it.",
        subcommands: [PolicyCheck.self, PolicyTest.self])
}

/// The arguments of every command about a policy.
struct PolicyOptions: ParsableArguments {
    @Argument(help: "The policy's file.") var file: String

    @Flag(help: "The policy is for another host: its users and groups need not exist on this one.")
    var otherHost = false

    @Flag(help: "Print JSON, errors too.")
    var json = false

    var report: ErrorReport { ErrorReport(isJSON: json) }

    /// Where names of users and groups are looked up.
    var host: HostNames { otherHost ? .ofAnotherHost() : .ofSystem() }

    /// The content of the file.
    ///
    /// - Throws: INVALID_ARGUMENT saying why it cannot be taken.
    func text() throws(CofferError) -> String {
        do throws(TextFileFailure) {
            return try TextFile.read(file, maximumBytes: PolicyFile.maximumBytes)
        } catch {
            throw CofferError(.invalidArgument, .badField, error.description)
        }
    }

    /// Writes lines in which nothing moves a cursor.
    func write(_ lines: [String]) throws(StreamFailure) {
        try StandardStream.output.write(lines.map { Printable.line($0) + "\n" }.joined())
    }
}
