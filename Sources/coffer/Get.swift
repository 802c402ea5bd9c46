import ArgumentParser
import Coffer
import CofferCommandLine

struct Get: CofferSubcommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a credential to standard output, as it was stored.",
        discussion: """
            At a terminal a line feed follows, and control characters are escaped. With --json the credential \
            is in base64, together with what is known about it.
            """)

    @Argument(help: "The user that the credential belongs to.") var user: String
    @Argument(help: "The connection of that user.") var connection: String

    @Option(
        name: [.customLong("max-age"), .customLong("max-age-ms")],
        help: ArgumentHelp(
            "Maximum age of a cached answer; 0 asks the vault. A bare number is milliseconds.", valueName: "duration"))
    var maxAge: MillisecondsOption?

    @Option(help: ArgumentHelp(
        "Only this member of a credential that is a JSON object: a string's text, or any other value as it stands.",
        valueName: "name"))
    var field: String?

    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        try await daemon.withClient { client in
            let record = try await client.credential(
                user: user, connection: connection, maximumAge: maxAge?.duration, timeout: daemon.wait)
            let credential = try field.map(record.credential.member) ?? record.credential
            if daemon.json {
                try JSON.print(RecordOutput(record, credential))
            } else if try !CredentialOutput.write(credential) {
                daemon.report.note("escaped what a terminal would not show; write to a pipe or a file for the bytes themselves")
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
    let foreignFormat: String?

    init(_ record: CredentialRecord, _ credential: Credential) {
        credentialBase64 = CredentialOutput.base64(credential)
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
        foreignFormat = record.foreignFormat
    }
}
