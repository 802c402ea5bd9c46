import ArgumentParser
import Coffer
import CofferProcess

struct Health: CofferSubcommand {
    static let configuration = CommandConfiguration(
        abstract: "Check that the daemon and its vaults are healthy.",
        discussion: "The exit code is 14 (UNAVAILABLE) if one is not.")

    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        try await daemon.withClient { client in
            let health = try await client.health(timeout: daemon.wait)
            if daemon.json {
                try JSON.print(HealthOutput(health))
            } else {
                try StandardStream.output.write(text(health))
            }
            guard health.isServing, health.vaults.allSatisfy(\.isHealthy) else {
                throw ExitCode(Int32(CofferError.Code.unavailable.rawValue))
            }
        }
    }

    private func text(_ health: DaemonHealth) -> String {
        let state = health.isServing ? "serving" : "draining"
        // In whole seconds as soon as there is one.
        let seconds = health.uptime.components.seconds
        let uptime = Quantity.text(seconds > 0 ? .seconds(seconds) : health.uptime)
        let lines = ["cofferd \(health.version) \(state), up \(uptime)"]
            + health.vaults.map(text) + health.warnings.map { "warning: \($0)" }
        return lines.map { Printable.line($0) + "\n" }.joined()
    }

    private func text(_ vault: DaemonHealth.Vault) -> String {
        let contact =
            vault.lastGoodContactMilliseconds.map { "last good contact \(Timestamp.text($0))" }
            ?? "no good contact yet"
        let state = vault.isReachable ? "reachable in \(Quantity.text(vault.latency))" : vault.checkWords
        let cause = vault.checkFailure.map { ": \($0.code): \($0.message)" } ?? ""
        return "vault \(vault.name) (\(vault.kind)): \(state), writes \(vault.writesWords), \(contact)\(cause)"
    }
}

private struct HealthOutput: Encodable {
    struct Vault: Encodable {
        let name: String
        let kind: String
        let reachable: Bool
        let writes: String
        let writeFailure: String?
        let latencyUs: Int64
        let lastGoodContactMs: UInt64?
        let lastFailure: String?
        let lastFailureMs: UInt64?
        let check: CheckOutput?
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
                name: $0.name, kind: $0.kind, reachable: $0.isReachable, writes: $0.writes.word,
                writeFailure: $0.writes.failure, latencyUs: Int64($0.latency / .microseconds(1)),
                lastGoodContactMs: $0.lastGoodContactMilliseconds,
                lastFailure: $0.lastFailure.told,
                lastFailureMs: $0.lastFailureMilliseconds, check: $0.checkFailure.map(CheckOutput.init))
        }
        warnings = health.warnings
    }
}

/// How the check of a vault failed.
struct CheckOutput: Encodable {
    let status: String
    let reason: String?
    let message: String

    init(_ failure: CofferError) {
        (status, reason, message) = (failure.code.description, failure.reason.told, failure.message)
    }
}

extension DaemonHealth.Vault {
    /// It answers, and does not refuse what is written.
    var isHealthy: Bool { isReachable && writes.failure == nil }

    /// Of writes, for people. After an outage that a read has ended, nobody knows whether they work again.
    var writesWords: String {
        guard case .unknown = writes, lastFailureMilliseconds != nil else { return writes.words }
        return "not tried since the last failure"
    }

    /// How a check ended that did not succeed.
    var checkWords: String {
        switch checkFailure?.reason {
        // An older daemon says no more.
        case nil, .vaultUnreachable?: "not reachable"
        case .deadline?: "no answer in time"
        default: "does not work"
        }
    }
}

extension DaemonHealth.Vault.Writes {
    /// For programs.
    var word: String {
        switch self {
        case .unknown: "unknown"
        case .work: "work"
        case .fail: "fail"
        }
    }

    /// The reason's name; nil if they do not fail.
    var failure: String? {
        if case .fail(let reason) = self { reason.name } else { nil }
    }

    /// For people, of a vault that has not failed.
    fileprivate var words: String {
        switch self {
        case .unknown: "not tried"
        case .work: "work"
        case .fail(let reason): "fail (\(reason.words))"
        }
    }
}
