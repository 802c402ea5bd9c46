import ArgumentParser
import Coffer

struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List a user's connections, without their credentials.")

    @Argument(help: "Whose connections; without it, everybody's.") var user: String?

    @OptionGroup var daemon: DaemonOptions

    func run() async throws {
        try await daemon.withClient { client in
            var entries: [ConnectionEntry] = []
            for try await entry in client.list(user: user ?? "", timeout: daemon.wait) {
                entries.append(entry)
            }
            entries.sort { ($0.key.user, $0.key.connection) < ($1.key.user, $1.key.connection) }
            if daemon.json {
                try JSON.print(entries.map(ListedOutput.init))
            } else {
                for entry in entries { Standard.output(line(entry)) }
            }
        }
    }

    /// User only where it is not given; then when it was updated, expiry and labels.
    private func line(_ entry: ConnectionEntry) -> String {
        var columns = user == nil ? [entry.key.user] : []
        if let error = entry.error {
            columns += [entry.key.connection.isEmpty ? "?" : entry.key.connection, "\(error)"]
            return columns.joined(separator: "\t") + "\n"
        }
        columns += [entry.key.connection, Timestamp.text(entry.updatedAtMilliseconds)]
        if let expires = entry.expiresAtMilliseconds { columns.append("expires \(Timestamp.text(expires))") }
        columns += entry.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        return columns.joined(separator: "\t") + "\n"
    }
}

private struct ListedOutput: Encodable {
    let user: String
    let connection: String
    let version: String
    let labels: [String: String]
    let createdAtMs: UInt64
    let updatedAtMs: UInt64
    let expiresAtMs: UInt64?
    /// Absent where the record can be read.
    let status: String?
    let message: String?

    init(_ entry: ConnectionEntry) {
        user = entry.key.user
        connection = entry.key.connection
        version = entry.version
        labels = entry.labels
        createdAtMs = entry.createdAtMilliseconds
        updatedAtMs = entry.updatedAtMilliseconds
        expiresAtMs = entry.expiresAtMilliseconds
        status = entry.error.map { "\($0.code)" }
        message = entry.error?.message
    }
}
