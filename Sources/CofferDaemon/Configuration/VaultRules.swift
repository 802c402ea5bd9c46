import CofferVaults

/// What must hold between the settings of a vault.
enum VaultRules {
    typealias Mistake = (setting: String, message: String)

    /// Every mistake there is, each with the setting that it is about; "" = the vault as a whole.
    static func mistakes(in vault: VaultConfiguration) -> [Mistake] {
        guard vault.places["type"] != nil else {
            return [("", "type is missing; expected \(VaultType.expects)")]
        }
        return strangers(vault) + formats(vault) + transport(vault)
            + (vault.type == .vault ? hashiCorp(vault) : [])
            + (vault.type == .aws ? aws(vault) : [])
    }

    /// Settings of other kinds of vault.
    private static func strangers(_ vault: VaultConfiguration) -> [Mistake] {
        VaultSetting.all.compactMap { setting in
            guard vault.places[setting.name] != nil, !setting.types.contains(vault.type) else { return nil }
            let types = VaultType.allCases.filter(setting.types.contains).map(\.rawValue).joined(separator: " and ")
            return (setting.name, "only vaults of type \(types) have this setting; this one is of type \(vault.type.rawValue)")
        }
    }

    private static func formats(_ vault: VaultConfiguration) -> [Mistake] {
        if vault.type.isLocal {
            let reason = "a vault of type \(vault.type.rawValue) is shared with no other program; expected"
            return (vault.format == .sealed ? [] : [("format", "\(reason) sealed")])
                + (vault.accept == [.sealed] ? [] : [("accept", "\(reason) [sealed]")])
        }
        guard vault.accept.contains(vault.format) else {
            return [("accept", "expected \(vault.format.rawValue) in this list: it is what this vault writes")]
        }
        guard let unread = vault.keep.first(where: { !vault.accept.contains($0) }) else { return [] }
        return [("keep", "\(unread.rawValue) is not among the formats of accept, so none of its records can be read")]
    }

    private static func transport(_ vault: VaultConfiguration) -> [Mistake] {
        let transport = vault.transport
        if transport.clientCertificateFile.isEmpty == transport.clientKeyFile.isEmpty { return [] }
        return transport.clientKeyFile.isEmpty
            ? [("client_certificate_file", "client_key_file is missing; a certificate needs its key")]
            : [("client_key_file", "client_certificate_file is missing; a key needs its certificate")]
    }

    /// Without TLS only to this host, unless told otherwise.
    private static func plain(_ vault: VaultConfiguration, _ setting: String, _ text: String) -> [Mistake] {
        guard let address = VaultAddress(text), !address.isSecure, !address.isLoopback, !vault.transport.allowHTTP
        else { return [] }
        return [
            (
                setting,
                "expected https://: without TLS anyone on the network path can read the secrets; allow_http: true permits it"
            )
        ]
    }

    private static func aws(_ vault: VaultConfiguration) -> [Mistake] {
        plain(vault, "endpoint", vault.aws.endpoint)
            + (AWSOptions.mistake(inPrefix: vault.prefix).map { [("prefix", $0)] } ?? [])
    }

    // MARK: HashiCorp Vault and OpenBao

    private static func hashiCorp(_ vault: VaultConfiguration) -> [Mistake] {
        let values = vault.hashiCorp
        var found: [Mistake] = values.nodes.flatMap { plain(vault, "nodes", $0) }
        if values.address.isEmpty {
            found.append(("", "address is missing; expected for instance https://vault.example:8200"))
        }
        found += plain(vault, "address", values.address)
        guard let method = values.authentication else {
            return found + [
                ("", "auth is missing; expected one of \(VaultSetting.names(VaultConfiguration.Authentication.self))")
            ]
        }
        return found + missing(values, method) + superfluous(vault, method)
    }

    /// What a login needs and does not have.
    private static func missing(
        _ values: VaultConfiguration.HashiCorp, _ method: VaultConfiguration.Authentication
    ) -> [Mistake] {
        switch method {
        case .tokenFile where values.tokenFile.isEmpty:
            [("auth", "token_file is missing; token-file reads the token there")]
        case .jwt where values.tokenFile.isEmpty:
            [("auth", "token_file is missing; jwt logs in with the token in it")]
        case .approle where values.roleID.isEmpty: [("auth", "role_id is missing; approle logs in with it")]
        case .kubernetes where values.role.isEmpty:
            [("auth", "role is missing; kubernetes logs in to it")]
        default: []
        }
    }

    /// What belongs to another login.
    private static func superfluous(
        _ vault: VaultConfiguration, _ method: VaultConfiguration.Authentication
    ) -> [Mistake] {
        let users: [(String, [VaultConfiguration.Authentication])] = [
            ("token_file", [.tokenFile, .kubernetes, .jwt]), ("role", [.kubernetes, .jwt]),
            ("role_id", [.approle]), ("secret_id_file", [.approle]),
            ("auth_mount", [.approle, .kubernetes, .jwt]),
        ]
        return users.compactMap { name, methods in
            guard vault.places[name] != nil, !methods.contains(method) else { return nil }
            let others = methods.map(\.rawValue).joined(separator: ", ")
            return (name, "belongs to auth: \(others); this vault has auth: \(method.rawValue)")
        }
    }
}

extension VaultRules {
    /// What must hold between the vaults and with the rest. `--check` and the
    /// start find the same.
    ///
    /// - Parameter hasPassphrase: there is one, in a file or a variable.
    static func mistakes(
        in configuration: Configuration, hasPassphrase: Bool
    ) -> [ConfigurationError] {
        var found: [ConfigurationError] = []
        var holders: [String: String] = [:]
        for vault in configuration.vaults {
            func add(_ setting: String, _ message: String) {
                let path = vault.isNamed ? "vaults.\(vault.name).\(setting)" : "vault.\(setting)"
                let place = vault.places[setting] ?? vault.places[""]
                found.append(
                    place.map { ConfigurationError($0, "\(path): \(message)") } ?? ConfigurationError(path, message))
            }
            if configuration.isProduction && vault.type == .memory {
                add(
                    "type",
                    "the memory vault loses everything at a restart and is refused in production; use embedded")
            }
            if vault.format == .legacyAES && !hasPassphrase {
                add(
                    "format",
                    "legacy-aes needs the passphrase that the other program has: set key.passphrase_file or CREDENTIAL_ENCRYPTION_KEY"
                )
            }
            guard vault.type == .vault, let secret = vault.hashiCorp.login.variable else { continue }
            if let other = holders.updateValue(vault.name, forKey: secret) {
                add(
                    "auth",
                    "vaults.\(other) already uses \(secret), and a secret belongs to one vault; give this one a file"
                )
            }
        }
        return found
    }
}

extension VaultConfiguration.Login {
    /// The variable that its secret may come in.
    var variable: String? {
        switch self {
        case .token: "VAULT_TOKEN"
        case .appRole(_, nil, _): "VAULT_SECRET_ID"
        default: nil
        }
    }
}
