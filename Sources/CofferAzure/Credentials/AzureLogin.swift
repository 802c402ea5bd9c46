internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit

/// Finds credentials in the order of Microsoft's own programs, and logs in with them: a client secret, a certificate, a
/// federated token, a managed identity. Reads files again each time it is asked.
struct AzureLogin: Sendable {
    private static let assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    static let secretVariable = "AZURE_CLIENT_SECRET"
    static let passwordVariable = "AZURE_CLIENT_CERTIFICATE_PASSWORD"

    /// What the daemon shows who it is by.
    enum Way: Sendable {
        case secret(Secret)
        case secretFile(String)
        case certificate(String)
        case federation(String)
        case managed(AzureManagedIdentity)
    }

    private let options: AzureOptions
    private let dependencies: CloudDependencies
    private let audience: AzureAudience
    private let tokens: AzureTokenService
    private let clock: any Clock
    private let random: any RandomSource
    private let vault: String
    let way: Way

    /// Reads the files once, so that what cannot work is found at the start.
    ///
    /// - Throws: FAILED_PRECONDITION that says what is missing or wrong.
    init(
        _ options: AzureOptions, dependencies: CloudDependencies, audience: AzureAudience, clock: any Clock,
        random: any RandomSource, vault: String
    ) throws(Failure) {
        self.options = options
        self.dependencies = dependencies
        self.audience = audience
        self.clock = clock
        self.random = random
        self.vault = vault
        tokens = AzureTokenService(transports: CloudTransports(dependencies), clock: clock, vault: vault)
        way = try Self.way(options, dependencies, vault)
        try checkFile()
    }

    private static func way(_ options: AzureOptions, _ dependencies: CloudDependencies, _ vault: String) throws(Failure) -> Way {
        let files: [Way?] = [
            options.certificateFile.map(Way.certificate), options.federatedTokenFile.map(Way.federation),
        ]
        let secret = [options.clientSecretFile.map(Way.secretFile) ?? dependencies.secret(secretVariable).map(Way.secret)]
        let isFileFirst = options.prefersFiles && options.clientSecretFile == nil
        if let found = (isFileFirst ? files + secret : secret + files).compactMap({ $0 }).first {
            guard options.client != nil else {
                throw missing("client_id: the application's id is missing; set client_id or AZURE_CLIENT_ID", vault)
            }
            return found
        }
        return .managed(
            try AzureManagedIdentity(
                variable: dependencies.text, header: dependencies.secret("IDENTITY_HEADER"), client: options.client, vault: vault))
    }

    private static func missing(_ what: String, _ vault: String) -> Failure {
        Failure(.failedPrecondition, .vaultRefused, what, vault: vault, isUnsent: true)
    }

    /// An application logs in, and not the host.
    var needsTenant: Bool { if case .managed = way { false } else { true } }

    private func checkFile() throws(Failure) {
        switch way {
        case .secret(let secret): try check(secret, Self.secretVariable)
        case .secretFile(let path): try check(try found(try dependencies.file(path, .secret), path).withoutLineEnd, path)
        case .certificate(let path):
            _ = try assertion(try found(try dependencies.file(path, .secret), path), path, "check", "https://check")
        // A platform may lay it out later than it starts the daemon.
        case .federation, .managed: return
        }
    }

    private func check(_ secret: Secret, _ place: String) throws(Failure) {
        guard (1...4_096).contains(secret.count) else {
            throw Self.missing("\(place): expected a client secret of 1 to 4096 bytes, got \(secret.count)", vault)
        }
    }

    private func found(_ content: Secret?, _ path: String) throws(Failure) -> Secret {
        guard let content else { throw .fileUnreadable(path, "it does not exist") }
        return content
    }

    // MARK: Tokens

    /// - Throws: why there is none.
    func token(deadline: BootInstant) async throws(Failure) -> AzureToken {
        let claims = audience.claims
        do throws(Failure) {
            let token = try await ask(claims, deadline)
            audience.noteToken(with: claims)
            return token
        } catch {
            if !error.retryable { audience.forget() }
            throw error
        }
    }

    private func ask(_ claims: String?, _ deadline: BootInstant) async throws(Failure) -> AzureToken {
        guard let resource = audience.resource else {
            throw .internalError("a token was asked for before it is known for what")
        }
        // Nothing takes claims from a host.
        if case .managed(let identity) = way { return try await token(of: identity, resource, deadline) }
        guard let tenant = audience.tenantName else {
            throw Self.missing("tenant_id: the tenant is missing; set tenant_id or AZURE_TENANT_ID", vault)
        }
        return try await tokens.token(
            at: options.authority, tenant: tenant, client: options.client ?? "", resource: resource, claims: claims,
            proof: try await proof(tenant, deadline), deadline: deadline)
    }

    private func token(
        of identity: AzureManagedIdentity, _ resource: String, _ deadline: BootInstant
    ) async throws(Failure) -> AzureToken {
        let (origin, request, variable) = identity.request(for: resource)
        do throws(Failure) {
            return try await tokens.token(by: request, to: origin, variable: variable, deadline: deadline)
        } catch {
            // No answer at all: this host is no machine of Azure's.
            guard identity.isOfMachine,
                error.reason == .deadline || (error.reason == .vaultUnreachable && error.isUnsent)
            else { throw error }
            throw .azureCredentials(
                "none found: AZURE_CLIENT_SECRET, client_secret_file, certificate_file, federated_token_file and "
                    + "IDENTITY_ENDPOINT are not set, and the metadata service of a virtual machine does not answer",
                vault: vault, retryable: true, isUnsent: true)
        }
    }

    private func proof(_ tenant: String, _ deadline: BootInstant) async throws(Failure) -> [(name: String, value: Secret)] {
        switch way {
        case .secret(let secret): return [("client_secret", secret)]
        case .secretFile(let path):
            let secret = try found(try await dependencies.fileLater(path, .secret, deadline), path).withoutLineEnd
            try check(secret, path)
            return [("client_secret", secret)]
        case .certificate(let path):
            let content = try found(try await dependencies.fileLater(path, .secret, deadline), path)
            let scheme = options.authority.isSecure ? "https" : "http"
            let url = "\(scheme)://\(options.authority.authority)\(AzureTokenService.path(of: tenant))"
            return Self.proof(try assertion(content, path, options.client ?? "", url))
        case .federation(let path):
            let token = try found(try await dependencies.fileLater(path, .platform, deadline), path).withoutLineEnd
            guard (1...65_536).contains(token.count), token.isHeaderValue(allowsBlanks: false) else {
                throw Self.missing("federated_token_file: \(path): expected one token, got \(token.count) bytes", vault)
            }
            return Self.proof(token)
        case .managed: return []
        }
    }

    private static func proof(_ assertion: Secret) -> [(name: String, value: Secret)] {
        [("client_assertion_type", Secret(assertionType)), ("client_assertion", assertion)]
    }

    private func assertion(_ content: Secret, _ path: String, _ client: String, _ url: String) throws(Failure) -> Secret {
        func wrong(_ what: String) -> Failure { Self.missing("certificate_file: \(path): \(what)", vault) }
        let certificate: AzureCertificate
        do throws(AzureCertificate.Fault) {
            certificate = try AzureCertificate(content, password: dependencies.secret(Self.passwordVariable))
        } catch {
            throw wrong(error.text)
        }
        let sendsChain = ["1", "true"].contains(dependencies.text("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN")?.lowercased())
        do {
            return try certificate.assertion(
                for: client, at: url, id: random.bytes(16), now: clock.wall, sendsChain: sendsChain)
        } catch {
            throw wrong(
                "it has no private RSA key of at most 8192 bits in PEM form that opens with "
                    + "AZURE_CLIENT_CERTIFICATE_PASSWORD, if it needs a password")
        }
    }
}
