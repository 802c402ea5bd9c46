import ArgumentParser
import Coffer
import CofferProcess

struct Delete: CofferSubcommand {
    static let configuration = CommandConfiguration(
        abstract: "Delete a credential; deleting one that does not exist succeeds too.")

    @Argument(help: "The user that the credential belongs to.") var user: String
    @Argument(help: "The connection of that user.") var connection: String

    @Option(help: ArgumentHelp("Fail unless this is the current version.", valueName: "version"))
    var ifVersion: String?

    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        try await daemon.withClient { client in
            let existed = try await client.delete(
                user: user, connection: connection, ifVersion: ifVersion, timeout: daemon.wait)
            if daemon.json {
                try JSON.print(["existed": existed])
            } else if existed {
                try StandardStream.output.write("deleted\n")
            } else {
                daemon.report.note("nothing to delete: there is no such record")
            }
        }
    }
}
