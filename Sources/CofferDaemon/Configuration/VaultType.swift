/// The kinds of vault there are.
package enum VaultType: String, CaseIterable, Sendable {
    /// In a database of the daemon's own.
    case embedded
    /// Nowhere beyond the daemon's life.
    case memory
    /// HashiCorp Vault or OpenBao, a KV engine of version 2.
    case vault
    /// AWS Secrets Manager.
    case aws

    /// Kinds that the guide names and this version does not have.
    private static let absent: Set<String> = [
        "cloudflare", "cloudflare-secrets-store", "fly", "azure", "gcp", "postgres", "etcd",
    ]

    static let expects = "one of \(allCases.map(\.rawValue).joined(separator: ", "))"

    /// What is wrong with a text that names no kind.
    static func mistake(_ text: String) -> String {
        absent.contains(text)
            ? "this version has no vault of type \(text); expected \(expects)" : "expected \(expects)"
    }

    /// How the guide's program, which comes from TypeScript, writes to vaults of this kind.
    var guidesFormat: VaultFormat? {
        switch self {
        case .vault: .json
        case .aws: .legacyAES
        case .embedded, .memory: nil
        }
    }

    /// The daemon keeps the records itself; nobody else reads them.
    package var isLocal: Bool { self == .embedded || self == .memory }
}

/// How a vault's records are written.
package enum VaultFormat: String, CaseIterable, Sendable {
    /// In envelopes of ours.
    case sealed
    /// In the clear.
    case json
    /// By the encryption of the TypeScript code that came before.
    case legacyAES = "legacy-aes"

    static let names = allCases.map(\.rawValue).joined(separator: ", ")

    /// Those that are accepted where nothing is said of it: this one, and what is better protected.
    var acceptedByDefault: [VaultFormat] {
        switch self {
        case .sealed: [.sealed]
        case .legacyAES: [.sealed, .legacyAES]
        case .json: VaultFormat.allCases
        }
    }

    /// For people: what is written, and who can read it.
    var readers: String {
        switch self {
        case .sealed: "sealed, which only daemons with this key can read"
        case .json: "json, in the clear for all who may read the vault"
        case .legacyAES: "legacy-aes, which all who have CREDENTIAL_ENCRYPTION_KEY can read"
        }
    }
}
