package import CofferCore
internal import CofferCrypto
internal import CofferHTTP
package import CofferVault
package import CofferVaultKit

/// Google Secret Manager: one secret for each record, whose newest version is the record.
///
/// It has no condition on values and no expiry that fits: a secret's own lets all its versions go, also one that was
/// added in the meantime. So expiry is kept in what is stored.
package final class GoogleVault: VaultAdapter {
    package let name: String
    package let kind = "gcp"
    package let identity: [UInt8]
    package let capabilities: VaultCapabilities
    package let changes: VaultChanges? = nil

    let options: GoogleOptions
    let client: GoogleClient
    let names: Base32Names
    let memory: GoogleMemory
    let clock: any Clock
    let random: any RandomSource
    let pause: @Sendable (Duration) async -> Void
    /// What the paths of all secrets begin with.
    let parent: String
    /// For how long "latest", a listing or a removal may be behind. The service promises no time: most often it is
    /// less than a second.
    private static let longestLag = Duration.seconds(30)
    private let gate = CallGate()

    /// The service takes 255 letters, digits, `_` and `-`.
    package static let nameRules = Base32Names.Rules(maximumBytes: 255, characters: "A-Z a-z 0-9 _ -") {
        $0.isASCIILetterOrDigit || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
    }

    /// Finds project, servers and credentials file; asks no server yet.
    ///
    /// - Throws: INVALID_ARGUMENT or FAILED_PRECONDITION that says what to set.
    package init(
        name: String, options: GoogleOptions, dependencies: CloudDependencies, clock: some Clock,
        random: some RandomSource
    ) throws(Failure) {
        let transports = CloudTransports(dependencies)
        let login = try GoogleLogin(
            options, dependencies: dependencies, transports: transports, clock: clock, vault: name)
        let file = try login.checkedFile()
        guard let project = options.project ?? file?.project else {
            throw Failure(
                .failedPrecondition, .vaultRefused,
                "project: no Google Cloud project is configured; set project or GOOGLE_CLOUD_PROJECT, or use a service account's key file, which names one",
                vault: name, isUnsent: true)
        }
        let origin = try options.origin(vault: name)
        client = GoogleClient(
            transport: try transports.transport(to: CloudPlace(.service, origin)), isSecure: origin.isSecure,
            tokens: GoogleTokens(clock: clock, vault: name) { deadline throws(Failure) in
                try await login.token(deadline: deadline)
            }, quotaProject: options.quotaProject, vault: name)
        names = try Base32Names(prefix: options.prefix, rules: Self.nameRules, vault: name)
        let location = options.location.map { "/locations/" + PercentEncoding.text($0) } ?? ""
        parent = "/v1/projects/\(PercentEncoding.text(project, keeping: ":"))\(location)/secrets"
        capabilities = VaultCapabilities(
            conditionalWrites: false, listing: true, maximumPayloadBytes: GoogleDocument.maximumPayloadBytes,
            textPayloads: true, repeatableWrites: true, consistency: .lagging(for: Self.longestLag))
        memory = GoogleMemory(lag: Self.longestLag)
        identity = Self.identity(prefix: options.prefix)
        self.name = name
        self.options = options
        self.clock = clock
        self.random = random
        pause = dependencies.pause
    }

    /// Not of the project or location, so that a copy of the secrets in another one opens too.
    private static func identity(prefix: String) -> [UInt8] {
        let parts = ["coffer vault identity v1", "gcp", prefix].map { Array($0.utf8) }
        let list = parts.flatMap { part in
            [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: part.count >> $0) } + part
        }
        return Array(Digest.sha256(list).prefix(16))
    }

    /// Asks for a secret that is never there: what every reader may do, and the answer shows that address, credentials,
    /// project and role are right.
    package func check(deadline: BootInstant) async throws(Failure) {
        try await during(deadline) { () throws(Failure) in
            _ = try await self.version("latest", of: self.names.unused, deadline)
        }
    }

    /// Searches for credentials again. The current ones stay in use until others are found.
    ///
    /// - Returns: whether there are others.
    package func reload(deadline: BootInstant) async throws(Failure) -> Bool {
        try await client.tokens.reload(deadline: deadline)
    }

    package func close() async {
        await gate.close()
        client.tokens.close()
    }

    /// Runs a call, unless it is too late for it.
    func during<R>(_ deadline: BootInstant, _ body: () async throws(Failure) -> R) async throws(Failure) -> R {
        guard clock.boot < deadline else { throw .notBegun(vault: name) }
        guard gate.enter() else { throw .closed(vault: name) }
        defer { gate.leave() }
        return try await body()
    }

    func path(of secret: String) -> String { "\(parent)/\(secret)" }

    func failure(_ fault: GoogleFault, writing: Bool = false) -> Failure {
        switch fault {
        case .refused(let refusal): .google(refusal, vault: name, writing: writing)
        case .failed(let failure): failure
        }
    }
}
