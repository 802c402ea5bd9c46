import ArgumentParser
import Coffer
import CofferProcess

struct List: CofferSubcommand {
    static let configuration = CommandConfiguration(
        abstract: "List a user's connections, without their credentials.",
        discussion: """
            At a terminal as a table; elsewhere one line for each with the fields user, connection, updated, \
            expires or -, status, then a field for each label, all with a tab between them and no heading. An entry \
            that cannot be read has its status instead of OK, and the reason instead of labels.
            """)

    @Argument(help: "The user whose connections are listed; without it, those of all users.") var user: String?

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
            } else if entries.isEmpty {
                daemon.report.note(user == nil ? "there are no connections" : "this user has no connections")
            } else if StandardStream.output.isTerminal {
                let rows = entries.map { Self.columns($0) + [Self.labels($0).joined(separator: ", ")] }
                try StandardStream.output.write(Table.text([Self.heading] + rows))
            } else {
                try StandardStream.output.write(Table.fields(entries.map { Self.columns($0) + Self.labels($0) }))
            }
        }
    }

    private static let heading = ["USER", "CONNECTION", "UPDATED", "EXPIRES", "STATUS", "LABELS"]

    /// As many for every entry: programs count them.
    private static func columns(_ entry: ConnectionEntry) -> [String] {
        let isReadable = entry.error == nil
        return [
            entry.key.user, isReadable || !entry.key.connection.isEmpty ? entry.key.connection : "?",
            isReadable ? Timestamp.text(entry.updatedAtMilliseconds) : "-",
            entry.expiresAtMilliseconds.map(Timestamp.text) ?? "-", entry.error.map { "\($0.code)" } ?? "OK",
        ]
    }

    private static func labels(_ entry: ConnectionEntry) -> [String] {
        if let error = entry.error { return [error.message] }
        return entry.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
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
