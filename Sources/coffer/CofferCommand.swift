import ArgumentParser

/// What a subcommand is that asks the daemon.
protocol CofferSubcommand: AsyncParsableCommand {}

struct CofferCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coffer",
        abstract: "Stores, reads and deletes credentials through cofferd.",
        discussion: """
            A credential comes from standard input, a file or the terminal and goes to standard output; \
            it is never an argument. Durations have units: 250ms, 5s, 1h.

            The exit code is the status code of the call: 0 = OK, 5 = NOT_FOUND, 7 = PERMISSION_DENIED, \
            14 = UNAVAILABLE, …; 9 = FAILED_PRECONDITION also if standard input cannot be read or standard \
            output not be written whole; 64 = a wrong command line. With --json errors are JSON too, one \
            line on standard error. `coffer run` ends as the command does that it runs.
            """,
        version: "0.1.0",
        subcommands: [
            Store.self, Get.self, Delete.self, List.self, Health.self, Vaults.self, Doctor.self,
            Stats.self, Invalidate.self, Run.self, PolicyCommands.self,
        ])
}
