package import CofferCore
internal import CofferCrypto
internal import CofferHTTP
package import CofferVault
internal import CofferVaultKit
internal import Synchronization

/// AWS Secrets Manager: one secret for each record, named
/// "{prefix}/{user}/{connection}".
///
/// It has no conditional writes and no expiry; the latter is kept in what is
/// stored. All its answers may lag behind a write by some seconds.
package final class AWSVault: VaultAdapter {
    package let name: String
    package let kind = "aws"
    package let identity: [UInt8]
    /// The region, where nobody named one and the options' fallback is used.
    package let fallbackRegion: String?
    package let capabilities: VaultCapabilities
    package let changes: VaultChanges? = nil

    let options: AWSOptions
    let client: AWSClient
    let names: AWSNames
    let clock: any Clock
    let random: any RandomSource
    let pause: @Sendable (Duration) async -> Void
    /// For how long an answer may be older than a write. The service promises nothing; it has been seen
    /// to take seconds.
    private static let longestLag = Duration.seconds(30)
    /// The credentials may not use BatchGetSecretValue: asked once.
    let batchIsDenied = Atomic(false)
    private let gate = CallGate()

    /// Finds region, endpoint and credential source; asks no server yet.
    ///
    /// - Throws: INVALID_ARGUMENT or FAILED_PRECONDITION that says what to set.
    package init(
        name: String, options: AWSOptions, dependencies: AWSDependencies, clock: some Clock, random: some RandomSource
    ) throws(Failure) {
        try options.check(vault: name)
        let profiles = try AWSProfiles(name: options.profile, dependencies: dependencies, vault: name)
        let endpoints = try AWSEndpoints(
            options, profile: profiles.current, dependencies: dependencies, vault: name)
        let corrected = AWSClock(clock)
        let transports = AWSTransports(dependencies)
        let finder = AWSCredentialFinder(
            profile: options.profile, dependencies: dependencies,
            tokens: AWSTokenService(
                region: endpoints.region, origin: endpoints.tokens, transports: transports, clock: corrected,
                vault: name),
            local: AWSLocalCredentials(
                dependencies: dependencies, transports: transports, clock: corrected, vault: name),
            vault: name)
        client = AWSClient(
            transport: try transports.transport(to: AWSPlace(.service, endpoints.secretsManager)),
            origin: endpoints.secretsManager, region: endpoints.region,
            credentials: AWSCredentialChain(clock: corrected, vault: name) { deadline throws(Failure) in
                try await finder.find(deadline: deadline)
            },
            clock: corrected, vault: name)
        let names = try AWSNames(prefix: options.prefix, prefersLiteral: options.literalNames, vault: name)
        self.names = names
        capabilities = VaultCapabilities(
            conditionalWrites: false, listing: true, maximumPayloadBytes: AWSDocument.maximumPayloadBytes,
            longestName: VaultCapabilities.NameLimit(maximumBytes: AWSNames.maximumBytes) { key in
                names.name(of: key).utf8.count
            },
            textPayloads: true, repeatableWrites: true, consistency: .lagging(for: Self.longestLag))
        fallbackRegion = endpoints.isFallback ? endpoints.region : nil
        identity = Self.identity(prefix: options.prefix)
        self.name = name
        self.options = options
        self.clock = clock
        self.random = random
        pause = dependencies.pause
    }

    /// Not of the region, so that a replica of the secrets opens too.
    private static func identity(prefix: String) -> [UInt8] {
        let parts = ["coffer vault identity v1", "aws", prefix].map { Array($0.utf8) }
        let list = parts.flatMap { part in
            [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: part.count >> $0) } + part
        }
        return Array(Digest.sha256(list).prefix(16))
    }

    /// Asks for a secret that is never there: what every reader may do, and the
    /// answer shows that address, credentials, signature and policy are right.
    package func check(deadline: BootInstant) async throws(Failure) {
        try await during(deadline) { () throws(Failure) in
            _ = try await self.current(named: self.names.allPrefix + "coffer.check", deadline)
        }
    }

    /// Searches for credentials again. The current ones stay in use until others are found.
    ///
    /// - Returns: whether there are others.
    package func reload(deadline: BootInstant) async throws(Failure) -> Bool {
        try await client.credentials.reload(deadline: deadline)
    }

    package func close() async {
        await gate.close()
        client.credentials.close()
    }

    /// Runs a call, unless it is too late for it.
    func during<R>(_ deadline: BootInstant, _ body: () async throws(Failure) -> R) async throws(Failure) -> R {
        guard clock.boot < deadline else { throw .notBegun(vault: name) }
        guard gate.enter() else { throw .closed(vault: name) }
        defer { gate.leave() }
        return try await body()
    }

    func failure(_ fault: AWSFault, writing: Bool = false) -> Failure {
        switch fault {
        case .refused(let refusal): .aws(refusal, vault: name, writing: writing)
        case .failed(let failure): failure
        }
    }
}
