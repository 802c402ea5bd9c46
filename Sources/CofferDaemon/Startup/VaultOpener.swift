import CofferCore
import CofferCrypto
import CofferHTTP
import CofferVault
import CofferVaults
import Logging

/// Opens the configured vaults, each behind what it needs, and routes to them.
struct VaultOpener {
    private let configuration: Configuration
    private let secrets: SecretVariables
    private let clock: SystemClock
    private let random: SystemRandom
    private let log: Logger

    init(
        _ configuration: Configuration, _ secrets: SecretVariables, clock: SystemClock, random: SystemRandom,
        log: Logger
    ) {
        self.configuration = configuration
        self.secrets = secrets
        self.clock = clock
        self.random = random
        self.log = log
    }

    /// Finds what `open` would refuse, as far as that can be known without opening a
    /// database: `--check` and the start find the same.
    func check() throws(StartupError) {
        do throws(Failure) {
            let remote = try openRemote()
            _ = try legacyFormat()
            for vault in configuration.vaults where !vault.type.isLocal {
                try placed(vault) { () throws(Failure) in _ = try remoteAdapter(vault, remote) }
            }
        } catch {
            throw Self.startupError(error)
        }
    }

    private static func startupError(_ failure: Failure) -> StartupError {
        let isOurs = failure.code == .failedPrecondition || failure.code == .invalidArgument
        return StartupError(failure, exitCode: isOurs ? StartupError.configurationExitCode : 1)
    }

    /// What is refused bears the vault's name, the setting, and where it was set.
    private func placed<R>(_ vault: VaultConfiguration, _ body: () throws(Failure) -> R) throws(Failure) -> R {
        do throws(Failure) {
            return try body()
        } catch {
            let word = String(error.message.prefix { $0 != ":" })
            let setting = VaultSetting.named(word) == nil ? "" : word
            let path = (vault.isNamed ? "vaults.\(vault.name)" : "vault") + (setting.isEmpty ? ": " : ".")
            let place = vault.places[setting] ?? vault.places[""] ?? vault.places["type"]
            throw Failure(error.code, error.reason, (place.map { "\($0): " } ?? "") + path + error.message, vault: vault.name)
        }
    }

    /// - Throws: why a vault cannot be used, in one line. A vault on another host is
    ///   not asked: it may be down and come back.
    func open(_ keys: KeyRing) throws(StartupError) -> VaultPool {
        do throws(Failure) {
            let remote = try openRemote()
            let legacy = try legacyFormat()
            var members: [VaultPool.Member] = []
            for vault in configuration.vaults {
                members.append(try member(vault, remote, legacy, keys))
            }
            var routes: [CofferVault.VaultRoute] = []
            for route in configuration.routes {
                routes.append(
                    try CofferVault.VaultRoute(user: route.user, connection: route.connection, vault: route.vault))
            }
            return try VaultPool(members, routes: routes)
        } catch {
            throw Self.startupError(error)
        }
    }

    private func remoteAdapter(
        _ vault: VaultConfiguration, _ remote: RemoteVaults?
    ) throws(Failure) -> (any VaultAdapter)? {
        switch vault.backend {
        case .memory, .embedded: return nil
        case .vault(let settings, let login, let transport):
            return try required(remote).hashiCorp(
                vault, settings, login, transport, token: secrets.vaultToken, secretID: secrets.vaultSecretID)
        case .aws(let settings, let transport):
            let adapter = try required(remote).aws(vault, settings, transport, variables: secrets.aws)
            if let region = adapter.fallbackRegion {
                log.notice(
                    "no AWS region is set: using \(region), as the guide's own program does; set AWS_REGION to use another",
                    metadata: ["vault": "\(vault.name)"])
            }
            return adapter
        }
    }

    private func member(
        _ vault: VaultConfiguration, _ remote: RemoteVaults?, _ legacy: LegacyFormat?, _ keys: KeyRing
    ) throws(Failure) -> VaultPool.Member {
        func store(_ adapter: any VaultAdapter) throws(Failure) -> RecordStore {
            try self.store(adapter, vault, legacy, keys)
        }
        switch vault.backend {
        case .memory:
            return VaultPool.Member(store: try store(MemoryVault(name: vault.name, clock: SystemClock(), random: random)))
        case .embedded(let file): return VaultPool.Member(store: try store(try embedded(vault.name, file, keys)))
        case .vault, .aws: break
        }
        guard let adapter = try placed(vault, { () throws(Failure) in try remoteAdapter(vault, remote) }) else {
            throw .internalError("a vault on another host without an adapter")
        }
        var limits = VaultLimits()
        limits.timeout = .milliseconds(vault.timeoutMilliseconds)
        limits.maximumQueued = vault.queue
        limits.admission.maximum = vault.concurrency
        let guarded = GuardedVault(
            adapter, limits: limits, clock: clock, random: random, sleeper: TaskSleeper(clock: clock))
        return VaultPool.Member(store: try store(guarded), guarded: guarded)
    }

    private func store(
        _ adapter: any VaultAdapter, _ vault: VaultConfiguration, _ legacy: LegacyFormat?, _ keys: KeyRing
    ) throws(Failure) -> RecordStore {
        try RecordStore(
            vault: adapter, keys: keys, environment: configuration.environment, format: format(vault.format),
            accept: Set(vault.accept.map(format)), keep: Set(vault.keep.map(format)), legacy: legacy, clock: clock, random: BufferedRandom(random))
    }

    private func format(_ format: VaultFormat) -> RecordFormat {
        switch format {
        case .sealed: .sealed
        case .json: .json
        case .legacyAES: .legacyAES
        }
    }

    private func embedded(_ name: String, _ file: String, _ keys: KeyRing) throws(Failure) -> EmbeddedVault {
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
        return RemoteVaults(engine: try HTTPEngine(clock: clock), clock: clock, random: random, log: log)
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
            return try LegacyFormat(passphrase)
        } catch {
            throw Failure(.failedPrecondition, .notSupported, error.description)
        }
    }

    /// The one that is the root key too, where a passphrase is; nil if there is none.
    private func passphrase() throws(KeyError) -> Passphrase? {
        guard configuration.passphraseFile.isEmpty else {
            return try RootKey.passphraseFile(configuration.passphraseFile)
        }
        guard let passphrase = secrets.passphrase else { return nil }
        return try Passphrase(inVariable: passphrase)
    }
}
