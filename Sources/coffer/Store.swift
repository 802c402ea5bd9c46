import ArgumentParser
import Coffer
import CofferCommandLine

struct Store: CofferSubcommand {
    static let configuration = CommandConfiguration(
        abstract: "Create or replace a credential, read from standard input or a file.",
        usage: "coffer store <user> <connection> [--ttl <duration>] [--label <name=value> ...] < value",
        discussion: "At a terminal one line is read, and not shown.")

    @Argument(help: "The user that the credential belongs to.") var user: String
    @Argument(help: "The connection of that user.") var connection: String

    @Option(help: ArgumentHelp("How long it lives, at most 36500d; 0 = until it is deleted. Rounded up to whole seconds; a bare number is seconds. (default: none)", valueName: "duration"))
    var ttl: SecondsOption?

    @Option(name: .customLong("label"), help: ArgumentHelp("A label; may be repeated.", valueName: "name=value"))
    var labels: [String] = []

    @Option(help: ArgumentHelp("Read the credential from this file.", valueName: "path"))
    var file: String?

    @Flag(help: "Fail if the record exists.")
    var ifAbsent = false

    @Option(help: ArgumentHelp("Fail unless this is the current version.", valueName: "version"))
    var ifVersion: String?

    @OptionGroup var daemon: DaemonOptions

    /// The protocol's own limit, about 100 years.
    private static let longestLife = Duration.seconds(3_153_600_000)

    /// Nil = until it is deleted.
    private var life: Duration? { ttl.flatMap { $0.duration == .zero ? nil : $0.duration } }

    func validate() throws {
        guard !ifAbsent || ifVersion == nil else {
            throw ValidationError.checked("--if-absent and --if-version exclude each other")
        }
        guard life ?? .zero <= Self.longestLife else { throw ValidationError.checked("--ttl: expected at most 36500d") }
        _ = try parsedLabels()
    }

    private func parsedLabels() throws -> [String: String] {
        var result: [String: String] = [:]
        for label in labels {
            guard let equals = label.firstIndex(of: "="), equals != label.startIndex else {
                throw ValidationError.checked("--label: expected name=value")
            }
            let value = String(label[label.index(after: equals)...])
            guard result.updateValue(value, forKey: String(label[..<equals])) == nil else {
                throw ValidationError.checked("--label: expected each name once")
            }
        }
        return result
    }

    func run() async throws {
        let credential = try CredentialInput.read(file: file)
        let labels = try parsedLabels()
        try await daemon.withClient { client in
            do {
                let receipt = try await client.store(
                    credential, user: user, connection: connection,
                    timeToLive: life, labels: labels,
                    condition: ifAbsent ? .absent : ifVersion.map { .version($0) },
                    timeout: daemon.wait)
                if daemon.json { try JSON.print(StoredOutput(receipt)) }
            } catch let error as CofferError where error.reason == .frameTooLarge {
                throw CofferError.credentialTooLarge("\(credential.count) bytes")
            }
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
