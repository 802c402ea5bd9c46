import CofferCore
import CofferCrypto
import CofferHTTP
import CofferVault
import CofferVaults

/// Makes the adapters of vaults on other hosts from their configuration.
struct RemoteVaults {
    let engine: HTTPEngine
    let clock: any Clock
    let random: SystemRandom

    // MARK: HashiCorp Vault and OpenBao

    func hashiCorp(
        _ vault: VaultConfiguration, _ settings: VaultConfiguration.HashiCorp, _ login: VaultConfiguration.Login,
        _ transport: VaultConfiguration.Transport, token: Secret?, secretID: Secret?
    ) throws(Failure) -> HashiCorpVault {
        let options = try HashiCorpOptions(
            auth: try auth(login, vault.name, token, secretID), mount: settings.mount, prefix: vault.prefix,
            namespace: settings.namespace, softDelete: settings.softDelete,
            literalNames: vault.literalNames)
        let origin = try origin(settings.address, vault.name)
        var endpoint = endpoint(origin, vault, transport)
        var nodes = [origin]
        for node in settings.nodes {
            let node = try self.origin(node, vault.name)
            if !nodes.contains(node) { nodes.append(node) }
        }
        endpoint.allowedOrigins.formUnion(nodes.dropFirst())
        let client = try engine.client(endpoint)
        return HashiCorpVault(
            name: vault.name, options: options, transport: client, isSecure: origin.isSecure, nodes: nodes,
            seams: HashiCorpSeams(clock: clock, random: random) { path throws(Failure) in
                try SecretFile.read(path)
            })
    }

    private func auth(
        _ login: VaultConfiguration.Login, _ vault: String, _ token: Secret?, _ secretID: Secret?
    ) throws(Failure) -> HashiCorpOptions.Auth {
        switch login {
        case .token:
            guard let token else {
                throw Failure(
                    .failedPrecondition, .notSupported,
                    "vault \(vault) logs in by a token, and VAULT_TOKEN is not set; set it, or choose another auth")
            }
            return .token(token)
        case .tokenFile(let path): return .tokenFile(path)
        case .appRole(let roleID, let file, let mount):
            return .appRole(
                mount: mount, roleID: roleID, secretID: file.map { .file($0) } ?? secretID.map { .value($0) })
        case .kubernetes(let role, let file, let mount):
            return .kubernetes(mount: mount, role: role, tokenFile: file)
        case .jwt(let role, let file, let mount):
            return .jwt(mount: mount, role: role.isEmpty ? nil : role, tokenFile: file)
        }
    }

    // MARK: AWS

    func aws(
        _ vault: VaultConfiguration, _ settings: VaultConfiguration.AWS,
        _ transport: VaultConfiguration.Transport, variables: [String: Secret]
    ) throws(Failure) -> AWSVault {
        let options = AWSOptions(
            region: Self.given(settings.region), endpoint: Self.given(settings.endpoint), prefix: vault.prefix,
            deletion: settings.recoveryWindowDays == 0 ? .forced : .recoverable(days: settings.recoveryWindowDays),
            keyID: Self.given(settings.kmsKey), profile: Self.given(settings.profile),
            literalNames: vault.literalNames)
        let surroundings = AWSSurroundings(
            variable: { name in variables[name] ?? SecretVariables.value(of: name) },
            file: { path throws(Failure) in try SecretFile.readIfThere(path) },
            transport: { place throws(Failure) in try engine.client(endpoint(place, vault, transport)) })
        return try AWSVault(
            name: vault.name, options: options, surroundings: surroundings, clock: clock, random: random)
    }

    private func endpoint(
        _ place: AWSPlace, _ vault: VaultConfiguration, _ transport: VaultConfiguration.Transport
    ) -> HTTPEndpoint {
        switch place.kind {
        case .service: return endpoint(place.origin, vault, transport)
        case .local:
            var endpoint = HTTPEndpoint(origin: place.origin)
            endpoint.allowsPlainHTTP = true
            endpoint.allowsLinkLocal = true
            endpoint.connectTimeout = .seconds(2)
            return endpoint
        }
    }

    private static func given(_ text: String) -> String? { text.isEmpty ? nil : text }

    // MARK: The way there

    private func origin(_ text: String, _ vault: String) throws(Failure) -> HTTPOrigin {
        guard let address = VaultAddress(text) else {
            throw Failure(.invalidArgument, .badField, "address: expected https://host:port", vault: vault)
        }
        return HTTPOrigin(isSecure: address.isSecure, host: address.host, port: address.port)
    }

    private func endpoint(
        _ origin: HTTPOrigin, _ vault: VaultConfiguration, _ transport: VaultConfiguration.Transport
    ) -> HTTPEndpoint {
        var endpoint = HTTPEndpoint(origin: origin)
        endpoint.maximumConnections = min(vault.concurrency, HTTPEndpoint.connectionLimits.upperBound)
        endpoint.authorityFile = Self.given(transport.caFile)
        endpoint.certificateFile = Self.given(transport.clientCertificateFile)
        endpoint.certificateKeyFile = Self.given(transport.clientKeyFile)
        endpoint.serverName = Self.given(transport.serverName)
        endpoint.proxy = VaultAddress(transport.proxy).map {
            HTTPOrigin(isSecure: $0.isSecure, host: $0.host, port: $0.port)
        }
        endpoint.allowsPlainHTTP = transport.allowHTTP
        endpoint.allowsLoopback = transport.allowAddresses.contains(.loopback)
        endpoint.allowsLinkLocal = transport.allowAddresses.contains(.linkLocal)
        return endpoint
    }
}
