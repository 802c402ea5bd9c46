import ArgumentParser
import Coffer
import CofferCommandLine
import CofferProcess

struct Invalidate: CofferSubcommand {
    static let configuration = CommandConfiguration(
        abstract: "Drop cached records, so that the next read asks the vault.",
        discussion: "Name a user and a connection, a user, or --all. The vault is not touched.")

    @Argument(help: "The user whose records are dropped.") var user: String?
    @Argument(help: "The connection of that user.") var connection: String?

    @Flag(help: "Every record.")
    var all = false

    @OptionGroup var daemon: DaemonOptions

    func validate() throws {
        guard all == (user == nil) else {
            throw ValidationError.checked("name a user, a user and a connection, or --all")
        }
    }

    private var scope: InvalidationScope {
        guard let user else { return .all }
        return connection.map { .key(CredentialKey(user: user, connection: $0)) } ?? .user(user)
    }

    func run() async throws {
        try await daemon.withClient { client in
            let dropped = try await client.invalidate(scope, timeout: daemon.wait)
            if daemon.json {
                try JSON.print(["dropped": dropped])
            } else {
                try StandardStream.output.write("\(dropped) dropped\n")
            }
        }
    }
}
