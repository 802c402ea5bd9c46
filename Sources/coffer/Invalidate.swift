import ArgumentParser
import Coffer

struct Invalidate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Drop cached records, so that the next read asks the vault.",
        discussion: "Name a user and a connection, a user, or --all. The vault is not touched.")

    @Argument(help: "Whose records.") var user: String?
    @Argument(help: "Which of the user's connections.") var connection: String?

    @Flag(help: "Every record.")
    var all = false

    @OptionGroup var daemon: DaemonOptions

    func validate() throws {
        guard all == (user == nil) else {
            throw ValidationError("name a user, a user and a connection, or --all")
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
                Standard.output("\(dropped) dropped\n")
            }
        }
    }
}
