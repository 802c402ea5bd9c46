package import CofferCore
internal import CofferCrypto
internal import CofferHTTP
package import CofferVault
package import CofferVaultKit

/// Vaults of type `etcd`: etcd 3.4 or newer, through its JSON gateway.
package struct EtcdDriver: VaultDriver {
    package let type = "etcd"
    package let title = "etcd"
    package let isLocal = false

    package init() {}

    static let endpoints = VaultSetting<[String]>(
        "endpoints", .addresses("1 to 16", maximum: 16), .value([]), variables: ["ETCDCTL_ENDPOINTS"], unset: "required",
        summary: "The members of the cluster, most often on port 2379. One that does not answer is passed over; the token goes to each of them")
    static let user = VaultSetting<String>(
        "user", .text(), .value(""),
        summary: "Who the daemon is to etcd; without it, calls carry no token. The password is `$ETCDCTL_PASSWORD`, or in `user_password_file`")
    static let passwordFile = VaultSetting<String>(
        "user_password_file", .absoluteFile, .value(""),
        summary: "The file with the password of `user`, read at every login. Without it `$ETCDCTL_PASSWORD` is used, by one vault only")

    /// What only vaults have that keep several formats.
    private static let foreign: Set<String> = [RemoteSettings.keep.name, RemoteSettings.literalNames.name]

    package let settings =
        CommonSettings.all + RemoteSettings.all.filter { !foreign.contains($0.name) }.map(\.withEtcdVariables)
        + [endpoints.erased, user.erased, passwordFile.erased]
    package let secretVariables = ["ETCDCTL_PASSWORD"]

    package func location(of vault: VaultConfiguration, dataFolder: String) -> String {
        vault[Self.endpoints].joined(separator: ", ")
    }

    package func mistakes(in vault: VaultConfiguration) -> [SettingMistake] {
        let endpoints = vault[Self.endpoints]
        var found = RemoteSettings.mistakes(in: vault, addresses: endpoints.map { (Self.endpoints.name, $0) })
        if endpoints.isEmpty {
            found.append(SettingMistake("", "endpoints is missing; expected for instance [https://etcd.example:2379]"))
        }
        if vault.format != .sealed {
            found.append(SettingMistake("format", "a vault of type etcd keeps sealed records only; expected sealed"))
        }
        if vault.accept != [.sealed] {
            found.append(SettingMistake("accept", "a vault of type etcd keeps sealed records only; expected [sealed]"))
        }
        if vault[Self.user].isEmpty, !vault[Self.passwordFile].isEmpty {
            found.append(SettingMistake("user_password_file", "user is missing; a password needs its user"))
        }
        // As etcdctl takes it. A name may hold a colon; a password that is printed with the settings is worse.
        if vault[Self.user].contains(":") {
            found.append(
                SettingMistake("user", "expected a name, got one with a colon; a password belongs in user_password_file or ETCDCTL_PASSWORD"))
        }
        return found
    }

    package func secret(of vault: VaultConfiguration) -> String? {
        vault[Self.user].isEmpty || !vault[Self.passwordFile].isEmpty ? nil : "ETCDCTL_PASSWORD"
    }

    package func adopt(_ variables: EnvironmentVariables, into vault: inout VaultConfiguration) -> [SettingMistake] {
        guard vault[Self.endpoints].isEmpty, vault.locations[Self.endpoints.name] == nil else { return [] }
        return [SettingMistake("ETCDCTL_ENDPOINTS", "is not set; expected for instance https://etcd.example:2379")]
    }

    package func open(_ vault: VaultConfiguration, _ context: VaultContext) throws(Failure) -> any VaultAdapter {
        let options = EtcdOptions(prefix: vault[RemoteSettings.prefix], login: try login(vault, secret: context.secret))
        let files = try context.tlsFiles(vault)
        var members: [EtcdMember] = []
        for text in vault[Self.endpoints] {
            guard let origin = HTTPOrigin(address: text) else {
                throw Failure(.invalidArgument, .badField, "endpoints: expected https://host:port", vault: vault.name)
            }
            guard !members.contains(where: { $0.origin == origin }) else { continue }
            var endpoint = HTTPEndpoint(origin, vault, files)
            // The watch and the look at a silent one have connections of their own.
            endpoint.maximumConnections = min(vault.concurrency + 2, HTTPEndpoint.connectionLimits.upperBound)
            members.append(EtcdMember(origin: origin, transport: try context.connect(endpoint)))
        }
        let adapter = EtcdVault(
            name: vault.name, options: options, members: members,
            dependencies: EtcdDependencies(clock: context.clock, random: context.random) { path, deadline async throws(Failure) in
                try await context.file(path, .secret, deadline: deadline)
            })
        if let path = vault[Self.passwordFile].unlessEmpty {
            context.expect(
                vault,
                ExpectedFile(Self.passwordFile.name, path, .secret) { content throws(Failure) in
                    _ = try EtcdSession.password(content, from: path, vault: vault.name)
                })
        }
        context.whenReloaded(vault) { deadline throws(Failure) in try await adapter.reload(deadline: deadline) }
        return adapter
    }

    /// - Precondition: the rules found no mistake.
    func login(_ vault: VaultConfiguration, secret: ([String]) -> Secret?) throws(Failure) -> EtcdOptions.Login? {
        guard let user = vault[Self.user].unlessEmpty else { return nil }
        if let file = vault[Self.passwordFile].unlessEmpty { return .init(user: user, password: .file(file)) }
        guard let password = secret(secretVariables) else {
            throw Failure(
                .failedPrecondition, .notSupported,
                "user: logs in with ETCDCTL_PASSWORD, which is not set; set it, or name a user_password_file")
        }
        guard password.withBytes({ $0.isUTF8 }) else {
            throw Failure(.failedPrecondition, .notSupported, "user: ETCDCTL_PASSWORD is not UTF-8; set another password")
        }
        return .init(user: user, password: .value(password))
    }

    package let advice = VaultAdvice(
        unreachable:
            "Check that the cluster has a leader (etcdctl endpoint status), that this host reaches its endpoints through firewalls and the configured proxy, and that ca_file and server_name fit its certificates.",
        login: "Check user, and that user_password_file or ETCDCTL_PASSWORD holds its password (etcdctl user get).",
        setUp: "Check that what the message names exists and is what etcd expects: the file, the endpoint, authentication.",
        permission:
            "Check that the daemon's role may read and write all keys below its prefix (etcdctl role get).",
        broken:
            "Look at etcd's own log and alarms (etcdctl alarm list): it answers, but not as it should. Check that nothing else answers at the endpoints.")
}

extension AnyVaultSetting {
    /// With the variable that etcd's own tool has for it.
    fileprivate var withEtcdVariables: AnyVaultSetting {
        let names = ["ca_file": "CACERT", "client_certificate_file": "CERT", "client_key_file": "KEY"]
        return names[name].map { adding(variables: ["ETCDCTL_" + $0]) } ?? self
    }
}
