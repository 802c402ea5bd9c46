import ArgumentParser

@main
struct CofferCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coffer",
        abstract: "Stores, reads and deletes credentials through cofferd.",
        discussion: """
            A credential comes from standard input or a file and goes to standard output; it is \
            never an argument. The exit code is the status code of the call: 0 = OK, 5 = NOT_FOUND, \
            7 = PERMISSION_DENIED, 14 = UNAVAILABLE, …; 64 = a wrong command line.
            """,
        version: "0.1.0",
        subcommands: [
            Store.self, Get.self, Delete.self, List.self, Health.self, Vaults.self, Doctor.self,
            Stats.self, Invalidate.self,
        ])
}
