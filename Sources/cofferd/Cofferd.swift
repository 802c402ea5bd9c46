import ArgumentParser
import CofferCommandLine
import CofferDaemon
import CofferProcess
import Glibc

struct Cofferd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cofferd",
        abstract: "Keeps the credentials of connectors: Store, Get and Delete over a Unix socket.",
        discussion: """
            Without any configuration it starts on the embedded vault and says where everything is. \
            Settings come from the file, then the environment, then these flags; \
            --check prints all of them.
            """,
        version: Daemon.version)

    @Option(help: ArgumentHelp("The YAML file with settings. (default: \(ConfigurationLoader.systemFile) if it is there)", valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("Where to listen.", valueName: "path"))
    var socket: String?

    @Option(help: ArgumentHelp("The folder for the database and the keys.", valueName: "folder"))
    var data: String?

    @Option(help: ArgumentHelp("Threads that serve connections; 0 = one for each core, at most 4.", valueName: "count"))
    var reactors: Int?

    @Flag(help: "Begin with an empty database where one is missing beside a key ring that is in use.")
    var newDatabase = false

    @Flag(help: "Check the configuration, print it, and end.")
    var check = false

    @Flag(help: "Print every setting there is, with default, environment variables and meaning, and end.")
    var printSettings = false

    @Option(help: ArgumentHelp("How --print-settings prints: text, json or markdown.", valueName: "form"))
    var form: SettingsReference.Form?

    func validate() throws {
        if form != nil && !printSettings { throw ValidationError.checked("--form says how --print-settings prints; give both") }
        if check && printSettings { throw ValidationError.checked("--check and --print-settings exclude each other") }
    }

    func run() throws {
        if printSettings {
            try StandardStream.output.write(SettingsReference().printed(as: form ?? .text))
            return
        }
        // Secrets are out of the environment once the daemon has started: a reload goes by what it was before.
        let (variables, mistakes) = Environment.current()
        let flags = ConfigurationLoader.Flags(config: config, socket: socket, data: data, reactors: reactors)
        let source = ConfigurationSource(
            flags, environment: variables, isRoot: geteuid() == 0, readFile: Environment.text(ofFile:))
        let configuration: Configuration
        do throws(ConfigurationErrors) {
            configuration = try source.load(after: mistakes)
        } catch {
            CofferdProgram.end(error.errors.map(\.description), StartupError.configurationExitCode)
        }
        do throws(StartupError) {
            let daemon = Daemon(configuration, mayBeNew: newDatabase) { () throws(ConfigurationErrors) in
                try source.load()
            }
            if check { try daemon.check() } else { try daemon.run() }
        } catch {
            CofferdProgram.end(error.message.split(separator: "\n").map(String.init), error.exitCode)
        }
        if check { try StandardStream.output.write(Setting.yaml(configuration)) }
    }
}

extension SettingsReference.Form: ExpressibleByArgument {}
