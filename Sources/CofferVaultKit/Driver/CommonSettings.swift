internal import CofferProcess
package import CofferVault

/// Settings of every vault. A driver's list of settings begins with them.
package enum CommonSettings {
    package static let format = VaultSetting<RecordFormat>(
        "format", .choice, .value(.sealed), variables: ["COFFER_FORMAT"],
        summary:
            "What is written: sealed by the daemon; JSON in the clear; or encrypted as the TypeScript code did, which needs its passphrase. Local vaults are `sealed`",
        risk: "`json`: whoever reads the vault has the credentials")
    package static let accept = VaultSetting<[RecordFormat]>(
        "accept", .choices(minimum: 1),
        .derived { $0.driver.isLocal ? [.sealed] : $0.format.acceptedByDefault }, unset: "by `format`",
        summary:
            "What is read; `format` must be among them. Default: `[sealed]`; for `legacy-aes` that and `sealed`; for `json` all three",
        risk: "Whoever can write to the vault can replace a sealed record with one in a weaker format named here")
    package static let timeout = VaultSetting<Int>(
        "timeout_ms", .quantity(1...600_000, .milliseconds), .value(5_000),
        summary:
            "The time for one attempt at any call of a vault on another host. A read of any vault, with its retries, may take as long as the longest of these times of all vaults",
        risk: "Too short: reads fail while the disk is busy. Longer than a call's time: the call is answered first, and the read only fills the cache")
    package static let concurrency = VaultSetting<Int>(
        "concurrency", .number(1...4_096), .derived { $0.driver.isLocal ? 1_024 : 64 }, unset: "64; 1024 if local",
        summary: "Calls that the vault works on at once, and connections to it; local vaults have bounds of their own instead",
        risk: "Above what the vault takes, calls fail instead of waiting")
    /// The default is twice what one uid may have waiting.
    package static let queue = VaultSetting<Int>(
        "queue", .number(0...65_536), .value(8_192),
        summary: "Calls that wait for one of those to end; more are refused",
        risk: "Each holds its request's credential in memory")

    /// All formats, the best protected first.
    package static let formats = RecordFormat.allCases

    package static let all = [
        format.erased, accept.erased, timeout.erased, concurrency.erased, queue.erased,
    ]
}

extension RecordFormat {
    /// Those that are accepted where nothing is said of it: this one, and what is better protected.
    package var acceptedByDefault: [RecordFormat] {
        switch self {
        case .sealed: [.sealed]
        case .legacyAES: [.sealed, .legacyAES]
        case .json: RecordFormat.allCases
        }
    }

    /// For people: what is written, and who can read it.
    package var readers: String {
        switch self {
        case .sealed: "sealed, which only daemons with this key can read"
        case .json: "json, in the clear for all who may read the vault"
        case .legacyAES: "legacy-aes, which all who have CREDENTIAL_ENCRYPTION_KEY can read"
        }
    }
}
