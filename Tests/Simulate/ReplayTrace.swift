import ArgumentParser
import CofferCacheSimulation
import CofferWorkload

struct ReplayTrace: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Plays a trace in virtual time on the cache, on an LRU and on the AWS agent's, at several sizes.")

    @Argument(help: "A file that make-trace made.") var file: String
    @Flag(help: "Print one line of JSON instead of a Markdown table.") var json = false

    func run() throws {
        let table = try ReplayTable(try Trace(path: file))
        print(json ? try table.json() : table.markdown)
    }
}
