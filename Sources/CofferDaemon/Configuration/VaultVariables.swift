/// The variables of the guide, and of Vault's own tools, that configure the one
/// vault of a daemon without a `vaults` section.
struct VaultVariables {
    /// Their names without the VAULT_ or BAO_ before them, and the settings they stand for.
    static let variables: [(name: String, setting: String)] = [
        ("ADDR", "address"), ("NAMESPACE", "namespace"), ("CACERT", "ca_file"),
        ("CLIENT_CERT", "client_certificate_file"), ("CLIENT_KEY", "client_key_file"),
        ("TLS_SERVER_NAME", "server_name"), ("TOKEN_FILE", "token_file"), ("ROLE_ID", "role_id"),
        ("SECRET_ID_FILE", "secret_id_file"),
    ]

    /// All that are read; those of secrets only for whether they are set.
    static let names = (variables.map(\.name) + ["TOKEN", "SECRET_ID"]).flatMap { ["BAO_" + $0, "VAULT_" + $0] }

    /// How records are written, by this alone where no `vaults` are named.
    static let formatVariable = "COFFER_FORMAT"

    private let environment: [String: String]

    init(_ environment: [String: String]) { self.environment = environment }

    /// The vault that `vault.type` and the variables describe.
    ///
    /// - Parameter place: where the type was said.
    func vault(_ type: VaultType, milliseconds: Int, place: String) throws(ConfigurationErrors) -> VaultConfiguration {
        var vault = VaultConfiguration(name: type.rawValue)
        vault.isNamed = false
        vault.type = type
        vault.timeoutMilliseconds = milliseconds
        vault.places["type"] = place
        var errors = chooseFormat(&vault)
        guard type == .vault else {
            guard errors.isEmpty else { throw ConfigurationErrors(errors) }
            return try checked(vault, place)
        }
        for (name, setting) in Self.variables {
            guard let (variable, value) = value(name), let setting = VaultSetting.named(setting) else { continue }
            vault.places[setting.name] = variable
            if !setting.apply([value], &vault) {
                errors.append(ConfigurationError(variable, "expected \(setting.expects)"))
            }
        }
        errors += authenticate(&vault)
        guard errors.isEmpty else { throw ConfigurationErrors(errors) }
        return try checked(vault, place)
    }

    /// The guide's program may have put records there, and may still run: what it has written is
    /// read, and stays as it is until the format is said.
    private func chooseFormat(_ vault: inout VaultConfiguration) -> [ConfigurationError] {
        var errors: [ConfigurationError] = []
        let said = environment[Self.formatVariable].flatMap { $0.isEmpty ? nil : $0 }
        if let said {
            vault.places["format"] = Self.formatVariable
            guard let format = VaultFormat.meant(by: said) else {
                errors.append(ConfigurationError(Self.formatVariable, "expected one of \(VaultFormat.names)"))
                return errors
            }
            vault.format = format
        }
        guard let guides = vault.type.guidesFormat else { return errors }
        vault.acceptedFormats = VaultFormat.allCases.filter { vault.accept.contains($0) || $0 == guides }
        if said == nil { vault.keep = [guides] }
        return errors
    }

    private func checked(
        _ vault: VaultConfiguration, _ place: String
    ) throws(ConfigurationErrors) -> VaultConfiguration {
        let mistakes = VaultRules.mistakes(in: vault).map { setting, message in
            ConfigurationError(vault.places[setting] ?? place, message)
        }
        guard mistakes.isEmpty else { throw ConfigurationErrors(mistakes) }
        return vault
    }

    /// The way to log in is the one whose variables are there.
    private func authenticate(_ vault: inout VaultConfiguration) -> [ConfigurationError] {
        var errors: [ConfigurationError] = []
        if value("ADDR") == nil {
            errors.append(
                ConfigurationError("VAULT_ADDR", "is not set; expected for instance https://vault.example:8200"))
        }
        let ways = ["TOKEN", "TOKEN_FILE", "ROLE_ID"].compactMap { name in value(name).map { ($0.0, name) } }
        switch ways.count {
        case 0:
            errors.append(
                ConfigurationError("VAULT_TOKEN_FILE", "is not set; set it, VAULT_TOKEN or VAULT_ROLE_ID, to log in"))
        case 1:
            let methods: [String: VaultConfiguration.Authentication] = [
                "TOKEN": .token, "TOKEN_FILE": .tokenFile, "ROLE_ID": .approle,
            ]
            vault.hashiCorp.authentication = methods[ways[0].1]
            vault.places["auth"] = ways[0].0
        default:
            errors.append(
                ConfigurationError(
                    ways[1].0, "\(ways[0].0) is also set; choose one login method"))
        }
        if let (file, _) = value("SECRET_ID_FILE"), let (variable, _) = value("SECRET_ID") {
            errors.append(ConfigurationError(file, "\(variable) is also set; unset one of them"))
        }
        return errors
    }

    /// The variable that counts and its value, if it is set: BAO_ wins where it is
    /// there, even empty, as OpenBao's own tools have it.
    private func value(_ name: String) -> (String, String)? {
        for variable in ["BAO_" + name, "VAULT_" + name] {
            guard let value = environment[variable] else { continue }
            return value.isEmpty ? nil : (variable, value)
        }
        return nil
    }
}
