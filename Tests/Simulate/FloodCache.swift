import ArgumentParser
import CofferCache
import CofferCacheSimulation
import CofferCore
import FoundationEssentials

struct FloodCache: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flood",
        abstract: "Puts far more keys into the cache than fit, and shows its memory and what a scan leaves.")

    /// What the process may take beyond the cache's own bytes, in MiB.
    private static let slack = 32
    /// The share of the hot keys that a scan has to leave, in percent.
    private static let kept = 95

    @Option(help: "How many keys are stored.") var keys = 1_000_000
    @Option(help: "How many keys are in use before the scan.") var hot = 20_000
    @Option(help: "How many other keys the scan reads, each once.") var scanned = 1_000_000

    func run() throws {
        let configuration = CacheConfiguration()
        let base = try residentMiB()
        var peak = base
        let flood = Flood(configuration, random: SystemRandom())
        for start in stride(from: 0, to: keys, by: 50_000) {
            try flood.store(start..<min(keys, start + 50_000))
            peak = max(peak, try residentMiB())
        }
        let limit = base + configuration.maximumBytes >> 20 + Self.slack
        print("\(keys) keys, \(flood.usage.entries) left; resident \(base) MiB before, at most \(peak), allowed \(limit)")
        let left = try Flood(configuration, random: SystemRandom()).scan(hot: hot, scanned: scanned)
        print("\(scanned) keys scanned, \(left) of \(hot) in use are left, at least \(Self.kept) % are to be")
        guard peak <= limit, left * 100 >= hot * Self.kept else {
            print("0 passed, 1 failed")
            throw ExitCode.failure
        }
        print("2 passed, 0 failed")
    }

    /// Of this process, rounded up.
    private func residentMiB() throws -> Int {
        let status = String(decoding: try Data(contentsOf: URL(fileURLWithPath: "/proc/self/status")), as: UTF8.self)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        guard let kilobytes = line?.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else {
            throw ValidationError("/proc/self/status has no VmRSS")
        }
        return (kilobytes + 1023) / 1024
    }
}
