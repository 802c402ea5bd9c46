import ArgumentParser
import Coffer
import CofferProcess

struct Vaults: CofferSubcommand {
    static let configuration = CommandConfiguration(
        abstract: "Show each vault: whether it is reachable, and what its breaker does.",
        discussion: "The exit code is 14 (UNAVAILABLE) if one is not reachable or its writes fail.")

    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        try await daemon.withClient { client in
            let vaults = try await client.health(timeout: daemon.wait).vaults
            if daemon.json {
                try JSON.print(vaults.map(VaultOutput.init))
            } else {
                try StandardStream.output.write(Table.text([Self.heading] + vaults.map(Self.row)))
            }
            guard vaults.allSatisfy(\.isHealthy) else {
                throw ExitCode(Int32(CofferError.Code.unavailable.rawValue))
            }
        }
    }

    private static let heading = [
        "NAME", "KIND", "FORMAT", "REACHABLE", "WRITES", "LATENCY", "BREAKER", "LAST GOOD CONTACT", "LAST FAILURE", "ROUTES",
    ]

    private static func row(_ vault: DaemonHealth.Vault) -> [String] {
        [
            vault.name, vault.kind, vault.format, Self.reachable(vault), vault.writesWords,
            Quantity.text(vault.latency), text(vault.breaker),
            vault.lastGoodContactMilliseconds.map(Timestamp.text) ?? "never",
            vault.lastFailure.words,
            vault.routes.isEmpty ? "none" : vault.routes.joined(separator: ", "),
        ]
    }

    private static func reachable(_ vault: DaemonHealth.Vault) -> String {
        switch vault.checkFailure?.reason {
        case nil, .vaultUnreachable?, .deadline?: vault.isReachable ? "yes" : "no"
        default: "fails"
        }
    }

    private static func text(_ breaker: DaemonHealth.Vault.Breaker) -> String {
        switch breaker {
        case .unknown: "none"
        case .closed: "closed"
        case .open(let wait): "open, asks again in \(Quantity.text(wait))"
        case .halfOpen: "half open"
        }
    }
}

private struct VaultOutput: Encodable {
    let name: String
    let kind: String
    let format: String
    let routes: [String]
    let reachable: Bool
    let writes: String
    let writeFailure: String?
    let latencyUs: Int64
    let breaker: String
    let breakerRetryMs: Int64?
    let lastGoodContactMs: UInt64?
    let lastFailure: String?
    let lastFailureMs: UInt64?
    let check: CheckOutput?
    let inFlight: UInt64
    let queued: UInt64
    let calls: UInt64
    let failures: UInt64
    let retries: UInt64
    let refusals: UInt64

    init(_ vault: DaemonHealth.Vault) {
        name = vault.name
        kind = vault.kind
        format = vault.format
        routes = vault.routes
        reachable = vault.isReachable
        writes = vault.writes.word
        writeFailure = vault.writes.failure
        latencyUs = Int64(vault.latency / .microseconds(1))
        (breaker, breakerRetryMs) =
            switch vault.breaker {
            case .unknown: ("none", nil)
            case .closed: ("closed", nil)
            case .open(let wait): ("open", Int64(wait / .milliseconds(1)))
            case .halfOpen: ("half-open", nil)
            }
        lastGoodContactMs = vault.lastGoodContactMilliseconds
        lastFailure = vault.lastFailure == .unspecified ? nil : vault.lastFailure.name
        lastFailureMs = vault.lastFailureMilliseconds
        check = vault.checkFailure.map(CheckOutput.init)
        inFlight = vault.inFlight
        queued = vault.queued
        calls = vault.calls
        failures = vault.failures
        retries = vault.retries
        refusals = vault.refusals
    }
}
