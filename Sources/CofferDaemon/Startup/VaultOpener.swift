import CofferCore
import CofferCrypto
import CofferHTTP
import CofferVault
import CofferVaults

/// Opens the configured vaults, each behind what it needs, and routes to them.
struct VaultOpener {
    private let configuration: Configuration
    private let secrets: SecretVariables
    private let keys: KeyRing
    private let clock: any Clock
    private let random: SystemRandom

    init(
        _ configuration: Configuration, _ secrets: SecretVariables, _ keys: KeyRing, clock: any Clock,
        random: SystemRandom
    ) {
        self.configuration = configuration
        self.secrets = secrets
        self.keys = keys
        self.clock = clock
        self.random = random
    }

    /// - Throws: why a vault cannot be used, in one line. A vault on another host is
    ///   not asked: it may be down and come back.
    func open() throws(StartupError) -> VaultPool {
        do throws(Failure) {
            let remote = try openRemote()
            let legacy = try legacyFormat()
            var members: [VaultPool.Member] = []
            for vault in configuration.vaults {
                members.append(try member(vault, remote, legacy))
            }
            var routes: [CofferVault.VaultRoute] = []
            for route in configuration.routes {
                routes.append(
                    try CofferVault.VaultRoute(user: route.user, connection: route.connection, vault: route.vault))
            }
            return try VaultPool(members, routes: routes)
        } catch {
            let isOurs = error.code == .failedPrecondition || error.code == .invalidArgument
            throw StartupError(error, exitCode: isOurs ? StartupError.configurationExitCode : 1)
        }
    }

    private func member(
        _ vault: VaultConfiguration, _ remote: RemoteVaults?, _ legacy: LegacyFormat?
    ) throws(Failure) -> VaultPool.Member {
        let adapter: any VaultAdapter
        switch vault.backend {
        case .memory: adapter = MemoryVault(name: vault.name, clock: SystemClock(), random: random)
        case .embedded(let file): adapter = try embedded(vault.name, file)
        case .vault(let settings, let login, let transport):
            adapter = try required(remote).hashiCorp(vault, settings, login, transport, token: secrets.vaultToken, secretID: secrets.vaultSecretID)
        case .aws(let settings, let transport):
            adapter = try required(remote).aws(vault, settings, transport, variables: secrets.aws)
        }
        guard !vault.type.isLocal else { return VaultPool.Member(store: try store(adapter, vault, legacy)) }
        var limits = VaultLimits()
        limits.timeout = .milliseconds(vault.timeoutMilliseconds)
        limits.maximumQueued = vault.queue
        limits.admission.maximum = vault.concurrency
        let guarded = GuardedVault(
            adapter, limits: limits, clock: clock, random: random, sleeper: TaskSleeper(clock: clock))
        return VaultPool.Member(store: try store(guarded, vault, legacy), guarded: guarded)
    }

    private func store(
        _ adapter: any VaultAdapter, _ vault: VaultConfiguration, _ legacy: LegacyFormat?
    ) throws(Failure) -> RecordStore {
        try RecordStore(
            vault: adapter, keys: keys, environment: configuration.environment, format: format(vault.format),
            accept: Set(vault.accept.map(format)), legacy: legacy, clock: clock, random: BufferedRandom(random))
    }

    private func format(_ format: VaultFormat) -> RecordFormat {
        switch format {
        case .sealed: .sealed
        case .json: .json
        case .legacyAES: .legacyAES
        }
    }

    private func embedded(_ name: String, _ file: String) throws(Failure) -> EmbeddedVault {
        try EmbeddedVault.open(
            path: "\(configuration.data)/\(file)", name: name, clock: SystemClock(), random: random
        ) { existing, identity throws(Failure) in
            try KeyCheck.check(
                existing: existing, identity: identity, keys: keys, environment: configuration.environment,
                generation: clock.wall * 1_000, random: random)
        }
    }

    // MARK: What several vaults share

    /// Nil if no vault is on another host: then there is no thread for HTTP.
    private func openRemote() throws(Failure) -> RemoteVaults? {
        guard configuration.vaults.contains(where: { !$0.type.isLocal }) else { return nil }
        return RemoteVaults(engine: try HTTPEngine(clock: clock), clock: clock, random: random)
    }

    private func required(_ remote: RemoteVaults?) throws(Failure) -> RemoteVaults {
        guard let remote else { throw .internalError("a vault on another host, and no HTTP") }
        return remote
    }

    /// For vaults that hold what the predecessor encrypted; its key is the passphrase.
    private func legacyFormat() throws(Failure) -> LegacyFormat? {
        let isWanted = configuration.vaults.contains { !$0.type.isLocal && $0.accept.contains(.legacyAES) }
        do throws(KeyError) {
            guard isWanted, let passphrase = try passphrase() else { return nil }
            return try LegacyFormat(passphrase: passphrase)
        } catch {
            throw Failure(.failedPrecondition, .notSupported, error.description)
        }
    }

    /// The one that is the root key too, where a passphrase is; nil if there is none.
    private func passphrase() throws(KeyError) -> Secret? {
        guard !configuration.passphraseFile.isEmpty else { return secrets.passphrase }
        guard case .passphrase(let passphrase) = try RootKey.passphraseFile(configuration.passphraseFile) else {
            return nil
        }
        return passphrase
    }
}
