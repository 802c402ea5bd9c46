import ArgumentParser
import Coffer

struct Store: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Create or replace a credential, read from standard input or a file.",
        usage: "coffer store <user> <connection> [--ttl <seconds>] [--label <name=value> ...] < value")

    /// The protocol's own limit; the daemon's is usually lower.
    private static let maximumBytes = 1 << 20

    @Argument(help: "Whose credential.") var user: String
    @Argument(help: "Which of the user's connections.") var connection: String

    @Option(help: ArgumentHelp("Seconds until it expires; 0 = never.", valueName: "seconds"))
    var ttl: UInt32 = 0

    @Option(name: .customLong("label"), help: ArgumentHelp("A label; may be repeated.", valueName: "name=value"))
    var labels: [String] = []

    @Option(help: ArgumentHelp("Read the credential from this file.", valueName: "path"))
    var file: String?

    @Flag(help: "Only if there is none.")
    var ifAbsent = false

    @Option(help: ArgumentHelp("Only if this is its version now.", valueName: "version"))
    var ifVersion: String?

    @OptionGroup var daemon: DaemonOptions

    func validate() throws {
        guard !ifAbsent || ifVersion == nil else {
            throw ValidationError("--if-absent and --if-version exclude each other")
        }
        _ = try parsedLabels()
    }

    private func parsedLabels() throws -> [String: String] {
        var result: [String: String] = [:]
        for label in labels {
            guard let equals = label.firstIndex(of: "="), equals != label.startIndex else {
                throw ValidationError("--label: expected name=value, got \"\(label)\"")
            }
            let name = String(label[..<equals])
            guard result.updateValue(String(label[label.index(after: equals)...]), forKey: name) == nil
            else { throw ValidationError("--label: \(name) comes twice") }
        }
        return result
    }

    func run() async throws {
        let credential = try Standard.credential(from: file, limit: Self.maximumBytes)
        let labels = try parsedLabels()
        try await daemon.withClient { client in
            let receipt = try await client.store(
                credential, user: user, connection: connection,
                timeToLive: ttl == 0 ? nil : .seconds(Int64(ttl)), labels: labels,
                condition: ifAbsent ? .absent : ifVersion.map { .version($0) },
                timeout: daemon.wait)
            if daemon.json { try JSON.print(StoredOutput(receipt)) }
        }
    }
}

struct StoredOutput: Encodable {
    let version: String
    let createdAtMs: UInt64
    let updatedAtMs: UInt64
    let expiresAtMs: UInt64?

    init(_ receipt: StoreReceipt) {
        version = receipt.version
        createdAtMs = receipt.createdAtMilliseconds
        updatedAtMs = receipt.updatedAtMilliseconds
        expiresAtMs = receipt.expiresAtMilliseconds
    }
}
