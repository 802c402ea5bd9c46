import ArgumentParser
import Coffer

struct Health: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say whether the daemon and its vaults can do their work.",
        discussion: "The exit code is 14 (UNAVAILABLE) if one cannot.")

    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        try await daemon.withClient { client in
            let health = try await client.health(timeout: daemon.wait)
            if daemon.json {
                try JSON.print(HealthOutput(health))
            } else {
                print(health)
            }
            guard health.isServing, health.vaults.allSatisfy(\.isReachable) else {
                throw ExitCode(Int32(CofferError.Code.unavailable.rawValue))
            }
        }
    }

    private func print(_ health: DaemonHealth) {
        let seconds = health.uptime.components.seconds
        Standard.output(
            "cofferd \(health.version) \(health.isServing ? "serving" : "draining"), up \(seconds) s\n")
        for vault in health.vaults {
            let contact =
                vault.lastGoodContactMilliseconds.map { "last good contact \(Timestamp.text($0))" }
                ?? "no good contact yet"
            let state = vault.isReachable ? "reachable in \(vault.latency)" : "not reachable"
            Standard.output("vault \(vault.name) (\(vault.kind)): \(state), \(contact)\n")
        }
        for warning in health.warnings { Standard.output("warning: \(warning)\n") }
    }
}

private struct HealthOutput: Encodable {
    struct Vault: Encodable {
        let name: String
        let kind: String
        let reachable: Bool
        let latencyUs: Int64
        let lastGoodContactMs: UInt64?
        let lastFailure: Int
    }

    let serving: Bool
    let version: String
    let uptimeMs: Int64
    let vaults: [Vault]
    let warnings: [String]

    init(_ health: DaemonHealth) {
        serving = health.isServing
        version = health.version
        uptimeMs = Int64(health.uptime / .milliseconds(1))
        vaults = health.vaults.map {
            Vault(
                name: $0.name, kind: $0.kind, reachable: $0.isReachable,
                latencyUs: Int64($0.latency / .microseconds(1)),
                lastGoodContactMs: $0.lastGoodContactMilliseconds,
                lastFailure: $0.lastFailure.rawValue)
        }
        warnings = health.warnings
    }
}
