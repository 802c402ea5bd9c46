import ArgumentParser
import Coffer
import CofferCommandLine
import CofferProcess

struct Run: CofferSubcommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run a command with credentials in its environment or in files in memory.",
        usage: "coffer run -e NAME=USER/CONNECTION[#FIELD] [-f PATH=USER/CONNECTION[#FIELD]] … -- COMMAND [ARGUMENT …]",
        discussion: """
            The command takes the place of coffer: signals reach it, and its exit status is the one that counts. \
            Nothing of a credential is in an argument or on a disk. FIELD is a member of a credential that is a \
            JSON object. In an id, %2F stands for a slash, %23 for a # and %25 for a %.

            With -f, PATH becomes a symbolic link to a file in memory, which the command and what it starts open by a \
            descriptor that they inherit. A program that closes the descriptors it does not know hides it from those \
            that it starts.

            Exit code 127: there is no such command; 126: it does not start.
            """)

    @Option(name: [.customShort("e"), .customLong("env")], help: ArgumentHelp(
        "A variable, and the credential that becomes its value. May be repeated.", valueName: "name=user/connection"))
    var variables: [String] = []

    @Option(name: [.customShort("f"), .customLong("file")], help: ArgumentHelp(
        "A path, and the credential that is to be read there. May be repeated.", valueName: "path=user/connection"))
    var files: [String] = []

    @OptionGroup var daemon: DaemonOptions

    @Argument(parsing: .postTerminator, help: "The command and its arguments, after --.") var command: [String] = []

    func validate() throws {
        guard !command.isEmpty else { throw ValidationError.checked("expected a command after --") }
        let (variables, files) = (try bindings(variables, "--env"), try bindings(files, "--file"))
        guard variables.allSatisfy(\.isVariable) else {
            throw ValidationError.checked("--env: expected a name of letters, digits and underscores before the =")
        }
        guard !variables.isEmpty || !files.isEmpty else {
            throw ValidationError.checked("expected at least one --env or --file")
        }
        for names in [variables.map(\.name), files.map(\.name)] where Set(names).count < names.count {
            throw ValidationError.checked("expected each variable and each path once")
        }
    }

    private func bindings(_ texts: [String], _ option: String) throws -> [CredentialBinding] {
        try texts.map { text in
            guard let binding = CredentialBinding(text) else {
                throw ValidationError.checked("\(option): expected NAME=USER/CONNECTION, with #FIELD behind it or not")
            }
            return binding
        }
    }

    func run() async throws {
        let (variables, files) = (try bindings(variables, "--env"), try bindings(files, "--file"))
        var credentials: [Credential] = []
        try await daemon.withClient { client in credentials = try await fetch(variables + files, client) }
        for (binding, credential) in zip(variables, credentials) {
            guard credential.becomeVariable(binding.name) else {
                throw Self.failure(binding, "the credential has a zero byte, which no variable can hold; use --file")
            }
        }
        // Before there are links: another program may use one by the time that it would be removed again.
        if let obstacle = NextProgram.obstacle(to: command) { throw report(obstacle) }
        var paths: [String] = []
        defer { paths.forEach(MemoryFile.remove) }
        for (binding, credential) in zip(files, credentials.dropFirst(variables.count)) {
            do {
                if try credential.becomeFile(binding.name) { paths.append(binding.name) }
            } catch {
                throw Self.failure(binding, error.description)
            }
        }
        throw report(NextProgram.start(command, with: CofferProgram.inherited))
    }

    private func report(_ failure: NextProgram.Failure) -> ExitCode {
        _ = daemon.report.fail(CofferError(.failedPrecondition, .unspecified, failure.description))
        return ExitCode(failure.exitCode)
    }

    /// In the order of the bindings.
    private func fetch(
        _ bindings: [CredentialBinding], _ client: CofferClient<UnixSocketChannel>
    ) async throws -> [Credential] {
        let results = try await client.credentials(bindings.map(\.key), timeout: daemon.wait)
        return try zip(bindings, results).map { binding, result in
            do {
                let credential = try result.get().credential
                return try binding.field.map(credential.member) ?? credential
            } catch var error as CofferError {
                error.message = "\(binding.name): \(error.message)"
                throw error
            }
        }
    }

    private static func failure(_ binding: CredentialBinding, _ text: String) -> CofferError {
        CofferError(.failedPrecondition, .unspecified, "\(binding.name): \(text)")
    }
}
