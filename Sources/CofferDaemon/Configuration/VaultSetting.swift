import CofferProcess

/// One value of a vault's configuration: its name in the file, the kinds of
/// vault that have it, its rule, and how it gets in and out. The file and
/// `--check` go by this list.
package struct VaultSetting: Sendable {
    /// "timeout_ms", below `vaults.NAME`.
    package let name: String
    /// What would be right: "a whole number from 1 to 65536".
    package let expects: String
    /// The kinds of vault that have it.
    package let types: Set<VaultType>
    /// The file has a list here.
    let isList: Bool
    /// False if the texts break the rule; one text where it is no list.
    let apply: @Sendable ([String], inout VaultConfiguration) -> Bool
    /// One text, or those of the list.
    let show: @Sendable (VaultConfiguration) -> [String]
    /// What is wrong with a text that was not taken, where there is more to say.
    let explain: (@Sendable (String) -> String)?

    package static let all: [VaultSetting] = [
        VaultSetting(
            name: "type", expects: VaultType.expects, types: any, isList: false,
            apply: { texts, vault in
                guard let text = texts.first, let type = VaultType.meant(by: text) else { return false }
                vault.type = type
                return true
            },
            show: { [$0.type.rawValue] }, explain: VaultType.mistake),
        choice("format", any, \.format),
        list("accept", any, { $0.accept }) { $0.acceptedFormats = $1 },
        list("keep", remote, { $0.keep }, minimum: 0) { $0.keep = $1 },
        path("prefix", remote, \.prefix),
        flag("literal_names", remote, \.literalNames),
        quantity("timeout_ms", 1...600_000, .milliseconds, any, \.timeoutMilliseconds),
        number("concurrency", 1...4_096, any, { $0.concurrency }) { $0.concurrencyLimit = $1 },
        number("queue", 0...65_536, any, { $0.queue }) { $0.queueLimit = $1 },

        text("ca_file", absolute, remote, \.transport.caFile, isValid: isAbsolute),
        text("client_certificate_file", absolute, remote, \.transport.clientCertificateFile, isValid: isAbsolute),
        text("client_key_file", absolute, remote, \.transport.clientKeyFile, isValid: isAbsolute),
        text("server_name", "a host's name", remote, \.transport.serverName) {
            VaultAddress("https://\($0)")?.port == 443 && !$0.contains(":") && !$0.hasSuffix("/")
        },
        text("proxy", "http:// or https:// with a host and a port", remote, \.transport.proxy) {
            VaultAddress($0) != nil
        },
        flag("allow_http", remote, \.transport.allowHTTP),
        list("allow_addresses", remote, { $0.transport.allowAddresses }, minimum: 0) {
            $0.transport.allowAddresses = $1
        },

        text("address", url, hashiCorp, \.hashiCorp.address) { VaultAddress($0) != nil },
        VaultSetting(
            name: "nodes", expects: "a list of at most 16 addresses with https:// and port", types: hashiCorp,
            isList: true,
            apply: { texts, vault in
                guard texts.count <= 16, texts.allSatisfy({ VaultAddress($0) != nil }) else { return false }
                vault.hashiCorp.nodes = texts
                return true
            },
            show: { $0.hashiCorp.nodes }, explain: nil),
        path("mount", hashiCorp, \.hashiCorp.mount),
        path("namespace", hashiCorp, \.hashiCorp.namespace),
        VaultSetting(
            name: "auth",
            expects: "one of \(names(VaultConfiguration.Authentication.self))", types: hashiCorp, isList: false,
            apply: { texts, vault in
                guard let text = texts.first, let method = VaultConfiguration.Authentication.meant(by: text)
                else { return false }
                vault.hashiCorp.authentication = method
                return true
            },
            show: { [$0.hashiCorp.authentication?.rawValue ?? ""] }, explain: nil),
        path("auth_mount", hashiCorp, \.hashiCorp.authenticationMount),
        text("token_file", file, hashiCorp, \.hashiCorp.tokenFile),
        text("role", word, hashiCorp, \.hashiCorp.role),
        text("role_id", word, hashiCorp, \.hashiCorp.roleID),
        text("secret_id_file", file, hashiCorp, \.hashiCorp.secretIDFile),
        flag("soft_delete", hashiCorp, \.hashiCorp.softDelete),

        text("region", "a region's name, for instance eu-central-1", aws, \.aws.region) {
            (1...63).contains($0.utf8.count) && $0.utf8.allSatisfy(isLowerOrDigit)
        },
        text("endpoint", url, aws, \.aws.endpoint) { VaultAddress($0) != nil },
        quantity("recovery_window_days", 7...30, .days, aws, \.aws.recoveryWindowDays, orZero: true),
        text("kms_key", "a key's id, ARN or alias", aws, \.aws.kmsKey),
        text("profile", "a profile's name", aws, \.aws.profile),
    ]

    /// The setting of exactly this name.
    package static func named(_ name: String) -> VaultSetting? { all.first { $0.name == name } }

    /// The setting whose name is nearest, if it is near at all: for typing mistakes.
    package static func suggestion(for name: String) -> String? {
        Spelling.nearest(to: name, among: all.map(\.name))
    }

    // MARK: Kinds of vault and of text

    private static let any = Set(VaultType.allCases)
    private static let remote: Set<VaultType> = [.vault, .aws]
    private static let hashiCorp: Set<VaultType> = [.vault]
    private static let aws: Set<VaultType> = [.aws]

    private static let file = "the path of a file"
    /// libcurl reads it later, and in another folder than the daemon's it would be another file.
    private static let absolute = "the path of a file, from / on"
    private static let word = "a text of 1 to 1024 bytes without control characters"
    private static let url = "https:// with a host and perhaps a port, without user, path or query"
    private static let pathRule =
        "names of letters, digits, -, _ and . with / between them, 1 to 256 bytes in all; none ends in a period or has two in a row"

    @Sendable private static func isAbsolute(_ text: String) -> Bool { text.hasPrefix("/") }

    @Sendable private static func isLowerOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            || byte == UInt8(ascii: "-")
    }

    /// Slashes at its ends do not count: Vault's own tools show and accept `admin/`.
    private static func path(_ name: String, _ types: Set<VaultType>, _ value: Value<String>) -> VaultSetting {
        VaultSetting(
            name: name, expects: pathRule, types: types, isList: false,
            apply: { texts, vault in
                guard let text = texts.first, isText(text) else { return false }
                let inner = text.drop { $0 == "/" }
                guard let end = inner.lastIndex(where: { $0 != "/" }), isPath(String(inner[...end])) else { return false }
                vault[keyPath: value] = String(inner[...end])
                return true
            },
            show: { [$0[keyPath: value]] }, explain: nil)
    }

    @Sendable private static func isPath(_ text: String) -> Bool {
        guard (1...256).contains(text.utf8.count) else { return false }
        return text.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { part in
            // The server takes two periods in a row for a way out of the mount.
            !part.isEmpty && !part.hasSuffix(".") && !zip(part.utf8, part.utf8.dropFirst()).contains { $0 == 0x2E && $1 == 0x2E }
                && part.utf8.allSatisfy {
                    isLowerOrDigit($0) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0)
                        || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".")
                }
        }
    }

    static func names<C: CaseIterable & RawRepresentable<String>>(_ type: C.Type) -> String {
        C.allCases.map(\.rawValue).joined(separator: ", ")
    }
}
