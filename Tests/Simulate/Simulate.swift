import ArgumentParser
import CofferCacheSimulation
import Glibc

@main struct Simulate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coffer-simulate", abstract: "Simulates the cache, plays traces on it and on others, and surveys the names of vaults.",
        subcommands: [Seeds.self, FloodCache.self, MakeTrace.self, ReplayTrace.self, SurveyNames.self], defaultSubcommand: Seeds.self)
}

/// Plays the cache's simulation for many seeds, and its race for many pairs.
struct Seeds: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Simulates the cache; a failure prints the seed that replays it.")

    @Option(help: "How many seeds to play.") var seeds: UInt64 = 10_000
    @Option(help: "The first of them.") var first: UInt64 = 0
    @Option(help: "How many raced pairs of a Store and a Get.") var pairs = 200_000

    func run() async throws {
        for seed in first..<first + seeds {
            var simulation = try Simulation(seed: seed)
            do throws(Simulation.Violation) {
                try simulation.run()
            } catch {
                print("FAIL \(error); again: coffer-simulate --first \(seed) --seeds 1 --pairs 0")
                throw ExitCode.failure
            }
        }
        let race = pairs > 0 ? try await Race().run(pairs: pairs) : Race.Result()
        print("\(seeds) seeds, \(race.pairs) raced pairs, \(race.hits) hits, \(race.revived) revived values")
        guard race.revived == 0 else { throw ExitCode.failure }
        print("2 passed, 0 failed")
    }
}
