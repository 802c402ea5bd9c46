package import CofferCore
internal import CofferCrypto
internal import CofferHTTP
package import CofferVault
package import CofferVaultKit

/// Vaults of type `vault`: HashiCorp Vault or OpenBao, a KV engine of version 2.
package struct HashiCorpDriver: VaultDriver {
    package let type = "vault"
    package let title = "HashiCorp Vault or OpenBao"
    package let isLocal = false
    package let guideFormat: RecordFormat? = .json
    package let settings = CommonSettings.all + RemoteSettings.all.map(\.withVaultsVariables) + HashiCorpSettings.all
    package let secretVariables = HashiCorpSettings.tokenVariables + HashiCorpSettings.secretIDVariables

    package init() {}

    package func location(of vault: VaultConfiguration, dataFolder: String) -> String {
        vault[HashiCorpSettings.address]
    }

    package func mistakes(in vault: VaultConfiguration) -> [SettingMistake] { HashiCorpRules.mistakes(in: vault) }

    package func secret(of vault: VaultConfiguration) -> String? {
        switch vault[HashiCorpSettings.auth] {
        case .token: "VAULT_TOKEN"
        case .approle: vault[HashiCorpSettings.secretIDFile].isEmpty ? "VAULT_SECRET_ID" : nil
        default: nil
        }
    }

    /// The way to log in is the one whose variables are there.
    package func adopt(_ variables: EnvironmentVariables, into vault: inout VaultConfiguration) -> [SettingMistake] {
        func first(_ name: String) -> String? { variables.first(of: ["BAO_" + name, "VAULT_" + name])?.name }
        var found: [SettingMistake] = []
        if vault[HashiCorpSettings.address].isEmpty && vault.locations["address"] == nil {
            let empty = variables.empty(of: ["BAO_ADDR", "VAULT_ADDR"])
            let why = empty == "BAO_ADDR" ? "is set, and empty; unset it so that VAULT_ADDR counts, or set it to an address, " : "is not set; expected "
            found.append(SettingMistake(empty ?? "VAULT_ADDR", "\(why)for instance https://vault.example:8200"))
        }
        if !vault.isSet(HashiCorpSettings.auth) {
            let ways: [(variable: String?, method: HashiCorpSettings.Authentication)] = [
                (first("TOKEN"), .token), (vault.locations["token_file"], .tokenFile),
                (vault.locations["role_id"], .approle),
            ]
            let given = ways.compactMap { way in way.variable.map { (variable: $0, method: way.method) } }
            switch given.count {
            case 0:
                found.append(
                    SettingMistake(
                        "VAULT_TOKEN_FILE", "is not set; set it, VAULT_TOKEN or VAULT_ROLE_ID, to log in"))
            case 1:
                vault[HashiCorpSettings.auth] = given[0].method
                vault.locations["auth"] = given[0].variable
            default:
                found.append(
                    SettingMistake(
                        given[1].variable, "\(given[0].variable) is also set; choose one login method"))
            }
        }
        if let file = vault.locations["secret_id_file"], let variable = first("SECRET_ID") {
            found.append(SettingMistake(file, "\(variable) is also set; unset one of them"))
        }
        return found
    }

    package func open(_ vault: VaultConfiguration, _ context: VaultContext) throws(Failure) -> any VaultAdapter {
        let auth = try auth(vault, secret: context.secret)
        let options = try HashiCorpOptions(
            auth: auth, mount: vault[HashiCorpSettings.mount],
            prefix: vault[RemoteSettings.prefix], namespace: vault[HashiCorpSettings.namespace],
            softDelete: vault[HashiCorpSettings.softDelete], literalNames: vault[RemoteSettings.literalNames])
        let origin = try origin(vault[HashiCorpSettings.address], vault.name)
        var nodes = [origin]
        for node in vault[HashiCorpSettings.nodes] {
            let node = try self.origin(node, vault.name)
            if !nodes.contains(node) { nodes.append(node) }
        }
        var endpoint = HTTPEndpoint(origin, vault, try context.tlsFiles(vault))
        endpoint.allowedOrigins.formUnion(nodes.dropFirst())
        let adapter = HashiCorpVault(
            name: vault.name, options: options, transport: try context.connect(endpoint), isSecure: origin.isSecure,
            nodes: nodes,
            dependencies: HashiCorpDependencies(clock: context.clock, random: context.random) { file, deadline async throws(Failure) in
                try await context.file(file.path, file.rule, deadline: deadline)
            })
        expectFile(of: auth, vault, context)
        context.whenReloaded(vault) { deadline throws(Failure) in try await adapter.reload(deadline: deadline) }
        return adapter
    }

    private func expectFile(of auth: HashiCorpOptions.Auth, _ vault: VaultConfiguration, _ context: VaultContext) {
        let setting: VaultSetting<String>
        let file: HashiCorpOptions.File?
        switch auth {
        case .tokenFile(let path): (setting, file) = (HashiCorpSettings.tokenFile, .init(path))
        case .appRole: (setting, file) = (HashiCorpSettings.secretIDFile, HashiCorpLogin.file(auth))
        case .token, .kubernetes, .jwt: (setting, file) = (HashiCorpSettings.tokenFile, HashiCorpLogin.file(auth))
        }
        guard let file else { return }
        context.expect(
            vault,
            ExpectedFile(setting.name, file.path, file.rule) { content throws(Failure) in
                _ = try HashiCorpLogin.word(content, from: file, vault: vault.name)
            })
    }

    private func origin(_ text: String, _ vault: String) throws(Failure) -> HTTPOrigin {
        guard let origin = HTTPOrigin(address: text) else {
            throw Failure(.invalidArgument, .badField, "address: expected https://host:port", vault: vault)
        }
        return origin
    }

    /// - Precondition: the rules found no mistake.
    func auth(
        _ vault: VaultConfiguration, secret: ([String]) -> Secret?
    ) throws(Failure) -> HashiCorpOptions.Auth {
        let method = vault[HashiCorpSettings.auth] ?? .token
        let mount = vault[HashiCorpSettings.authMount].unlessEmpty ?? method.rawValue
        let file = vault[HashiCorpSettings.tokenFile]
        let role = vault[HashiCorpSettings.role]
        switch method {
        case .token:
            guard let token = secret(HashiCorpSettings.tokenVariables) else {
                throw Failure(
                    .failedPrecondition, .notSupported,
                    "auth: token logs in with VAULT_TOKEN, which is not set; set it, or choose another auth")
            }
            return .token(token)
        case .tokenFile: return .tokenFile(file)
        case .approle:
            let secretID = vault[HashiCorpSettings.secretIDFile].unlessEmpty.map { HashiCorpOptions.Source.file($0) }
            return .appRole(
                mount: mount, roleID: vault[HashiCorpSettings.roleID],
                secretID: secretID ?? secret(HashiCorpSettings.secretIDVariables).map { .value($0) })
        case .kubernetes:
            return .kubernetes(mount: mount, role: role, tokenFile: file.unlessEmpty ?? HashiCorpSettings.podTokenFile)
        case .jwt: return .jwt(mount: mount, role: role.unlessEmpty, tokenFile: file)
        }
    }

    package let advice = VaultAdvice(
        unreachable:
            "Check that the vault is running at its address, that this host reaches it through firewalls and the configured proxy, and that ca_file and server_name fit its certificate.",
        login:
            "Check that the token, role or secret id is valid and that its file is the one meant, and check auth and auth_mount.",
        setUp:
            "Check that what the message names exists and is what the vault expects: the file, the mount, the namespace.",
        permission:
            "Check that the policy of the daemon's role lets it create, read, update and delete below its prefix, in the configured mount and namespace.",
        broken:
            "Look at the vault's own log: it answers, but not as it should. Check that mount is a KV engine of version 2, and that nothing else answers at the address.")
}

extension HashiCorpOptions.File {
    /// Who may read it.
    fileprivate var rule: ProtectedFile.Rule { isOfPlatform ? .platform : .secret }
}
