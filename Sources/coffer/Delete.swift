import ArgumentParser
import Coffer

struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remove a credential; removing what is not there succeeds too.")

    @Argument(help: "Whose credential.") var user: String
    @Argument(help: "Which of the user's connections.") var connection: String

    @Option(help: ArgumentHelp("Only if this is its version now.", valueName: "version"))
    var ifVersion: String?

    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        try await daemon.withClient { client in
            let existed = try await client.delete(
                user: user, connection: connection, ifVersion: ifVersion, timeout: daemon.wait)
            if daemon.json {
                try JSON.print(["existed": existed])
            } else {
                Standard.output(existed ? "deleted\n" : "there was none\n")
            }
        }
    }
}
