import ArgumentParser
import Coffer
import CofferProcess

struct Stats: CofferSubcommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the daemon's counters, gauges and limits.")

    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        try await daemon.withClient { client in
            let stats = try await client.stats(timeout: daemon.wait)
            if daemon.json {
                try JSON.print(stats)
            } else {
                let lines = stats.sorted { $0.key < $1.key }.map { "\(Printable.field($0.key)) \($0.value)\n" }
                try StandardStream.output.write(lines.joined())
            }
        }
    }
}
