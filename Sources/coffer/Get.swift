import ArgumentParser
import Coffer
import FoundationEssentials

struct Get: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a credential to standard output, as it was stored.",
        discussion: "With --json the credential is in base64, together with what is known about it.")

    @Argument(help: "Whose credential.") var user: String
    @Argument(help: "Which of the user's connections.") var connection: String

    @Option(help: ArgumentHelp("The oldest copy from memory that will do, in milliseconds; 0 = ask the vault.", valueName: "ms"))
    var maxAgeMs: UInt64?

    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        try await daemon.withClient { client in
            let record = try await client.credential(
                user: user, connection: connection,
                maximumAge: maxAgeMs.map { .milliseconds(Int64(clamping: $0)) }, timeout: daemon.wait)
            if daemon.json {
                try JSON.print(RecordOutput(record))
            } else {
                Standard.output(record.credential)
            }
        }
    }
}

private struct RecordOutput: Encodable {
    let credentialBase64: String
    let version: String
    let labels: [String: String]
    let createdAtMs: UInt64
    let updatedAtMs: UInt64
    let expiresAtMs: UInt64?
    let source: String
    let ageMs: Int64
    let stale: Bool

    init(_ record: CredentialRecord) {
        credentialBase64 = record.credential.withUnsafeBytes { Data($0).base64EncodedString() }
        version = record.version
        labels = record.labels
        createdAtMs = record.createdAtMilliseconds
        updatedAtMs = record.updatedAtMilliseconds
        expiresAtMs = record.expiresAtMilliseconds
        source =
            switch record.source {
            case .memory: "memory"
            case .vault: "vault"
            case .staleOnError: "stale"
            case .unknown: "unknown"
            }
        ageMs = Int64(record.age / .milliseconds(1))
        stale = record.isStale
    }
}
