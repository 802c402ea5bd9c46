package import CofferCore
internal import CofferCrypto
internal import CofferHTTP
package import CofferVault
package import CofferVaultKit

/// An Azure Key Vault: one secret for each record, whose newest version is the record.
///
/// It has no condition on values, and its `exp` is for people: expiry is kept in what is stored. A secret that is deleted
/// keeps its name for the vault's retention time, until it is recovered or purged.
package final class AzureVault: VaultAdapter {
    package let name: String
    package let kind = "azure"
    package let identity: [UInt8]
    package let capabilities: VaultCapabilities
    package let changes: VaultChanges? = nil

    let client: AzureClient
    let names: Base32Names
    let deleted: AzureOptions.Deleted
    let clock: any Clock
    let random: any RandomSource
    let pause: @Sendable (Duration) async -> Void
    /// The service says nothing of how soon all of it shows a write; it does so at once as a rule.
    private static let longestLag = Duration.seconds(10)
    let lostRemovals = AzureLostRemovals()
    private let gate = CallGate()

    /// The service takes 127 letters, digits and hyphens, and does not tell upper case from lower.
    package static let nameRules = Base32Names.Rules(maximumBytes: 127, characters: "a-z 0-9 -", isPrefixByte: SettingText.isLowerOrDigit)

    /// Finds the credentials; asks no server yet.
    ///
    /// - Parameter format: of what is stored: the largest payload depends on it.
    /// - Throws: INVALID_ARGUMENT or FAILED_PRECONDITION that says what to set.
    package init(
        name: String, options: AzureOptions, format: RecordFormat = .sealed,
        dependencies: CloudDependencies, clock: some Clock, random: some RandomSource
    ) throws(Failure) {
        let audience = AzureAudience(options, vault: name)
        let login = try AzureLogin(
            options, dependencies: dependencies, audience: audience, clock: clock, random: random, vault: name)
        names = try Base32Names(prefix: options.prefix, rules: Self.nameRules, vault: name)
        let transport = try dependencies.transport(CloudPlace(.service, options.origin))
        let discovery = AzureDiscovery(
            transport: transport, origin: options.origin, audience: audience, unused: names.unused, vault: name)
        client = AzureClient(
            transport: transport, origin: options.origin, audience: audience,
            tokens: TokenCache(of: "Azure credentials", clock: clock, vault: name) { deadline throws(Failure) in
                if audience.isUnknown(needsTenant: login.needsTenant) { try await discovery.run(deadline: deadline) }
                return try await login.token(deadline: deadline)
            }, vault: name)
        capabilities = VaultCapabilities(
            conditionalWrites: false, listing: true, maximumPayloadBytes: format == .sealed ? AzureDocument.maximumPayloadBytes : AzureDocument.maximumBytes,
            textPayloads: true, nativeExpiry: true, repeatableWrites: true, consistency: .lagging(for: Self.longestLag))
        identity = Self.identity(prefix: options.prefix)
        deleted = options.deleted
        self.name = name
        self.clock = clock
        self.random = random
        pause = dependencies.pause
    }

    /// Not of the vault's address, so that a copy of the secrets in another vault opens too.
    private static func identity(prefix: String) -> [UInt8] {
        Array(Digest.sha256(Array("coffer vault identity v1\0azure\0\(prefix)".utf8)).prefix(16))
    }

    /// Asks for a secret that is never there: what every reader may do, and the answer shows that address, credentials and
    /// role are right.
    package func check(deadline: BootInstant) async throws(Failure) {
        try await during(deadline) { () throws(Failure) in _ = try await self.secret(self.names.unused, deadline) }
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

    func failure(_ fault: AzureFault, writing: Bool = false) -> Failure {
        switch fault {
        case .refused(let refusal): .azure(refusal, vault: name, writing: writing)
        case .failed(let failure): failure
        }
    }

    func noConditions() -> Failure {
        Failure(
            .failedPrecondition, .notSupported,
            "a vault of kind \(kind) cannot do conditional writes or deletes; leave out if_version and if_absent",
            vault: name)
    }
}
