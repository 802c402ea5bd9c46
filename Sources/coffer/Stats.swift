import ArgumentParser
import Coffer

struct Stats: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the daemon's counters, gauges and limits.")

    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        try await daemon.withClient { client in
            let stats = try await client.stats(timeout: daemon.wait)
            if daemon.json {
                try JSON.print(stats)
            } else {
                for (name, value) in stats.sorted(by: { $0.key < $1.key }) {
                    Standard.output("\(name) \(value)\n")
                }
            }
        }
    }
}
