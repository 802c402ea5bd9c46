import CofferCore
import CofferCrypto
import CofferHTTP
import CofferServer
import CofferVault
import CofferVaultKit
import Logging
import Synchronization

/// Opens the configured vaults by their drivers, each behind what it needs, and routes to them.
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
            _ = try legacyFormat()
            let parts = VaultParts(configuration, clock: clock)
            let context = context(parts)
            for vault in configuration.vaults where !vault.driver.isLocal { _ = try adapter(vault, context) }
            for vault in configuration.vaults where vault.driver.isLocal {
                try vault.driver.checkFiles(of: vault, dataFolder: configuration.data)
            }
            warnOfFiles(parts)
        } catch {
            throw Self.startupError(error)
        }
    }

    /// - Parameters:
    ///   - root: where the root key is from which `keys` were derived now; nil = there was a ring.
    ///   - beforeLocal: called when all is right but for the databases, before the first is opened or made.
    /// - Throws: why a vault cannot be used, in one line. A vault on another host is
    ///   not asked: it may be down and come back. Those that were opened before are closed.
    func open(
        _ keys: KeyRing, derivedFrom root: String? = nil, beforeLocal: () throws(StartupError) -> Void = {}
    ) throws(StartupError) -> OpenedVaults {
        var opened: [String: VaultPool.Member] = [:]
        var parts: VaultParts?
        do throws(Failure) {
            let legacy = try legacyFormat()
            let made = VaultParts(configuration, clock: clock)
            parts = made
            let context = context(made)
            for vault in configuration.vaults where !vault.driver.isLocal {
                opened[vault.name] = try member(vault, context, legacy, keys)
            }
            do throws(StartupError) {
                try beforeLocal()
            } catch {
                let isOurs = error.exitCode == StartupError.configurationExitCode
                throw Failure(isOurs ? .failedPrecondition : .unavailable, .unspecified, error.message)
            }
            for vault in configuration.vaults where vault.driver.isLocal {
                opened[vault.name] = try member(vault, context, legacy, keys, derivedFrom: root)
            }
            let members = configuration.vaults.compactMap { opened[$0.name] }
            var routes: [CofferVault.VaultRoute] = []
            for route in configuration.routes {
                routes.append(
                    try CofferVault.VaultRoute(user: route.user, connection: route.connection, vault: route.vault))
            }
            let pool = try VaultPool(members, routes: routes)
            made.whenRepaired { pool[$0]?.guarded?.noteRepair() }
            try made.start()
            warnOfFiles(made)
            return OpenedVaults(pool: pool, parts: made)
        } catch {
            let stores = opened.values.map(\.store)
            if !stores.isEmpty { _ = Blocking.run { for store in stores { await store.close() } } }
            parts?.stop()
            throw Self.startupError(error)
        }
    }

    /// Of files that the vaults read later, and that cannot be used as they are now.
    private func warnOfFiles(_ parts: VaultParts) {
        let (clock, files) = (clock, RuledFileReader(clock: clock))
        for (vault, file) in parts.expectedFiles {
            let found = Blocking.run { await files.problem(of: file, deadline: clock.boot + FileReader.patience) }
            if let problem = found ?? nil {
                log.warning("\(vault.placed("\(file.setting): \(problem)"))", metadata: ["vault": "\(vault.name)"])
            }
        }
    }

    private static func startupError(_ failure: Failure) -> StartupError {
        let isOurs = failure.code == .failedPrecondition || failure.code == .invalidArgument
        return StartupError(failure, exitCode: isOurs ? StartupError.configurationExitCode : 1)
    }

    private func member(
        _ vault: VaultConfiguration, _ context: VaultContext, _ legacy: LegacyFormat?, _ keys: KeyRing,
        derivedFrom root: String? = nil
    ) throws(Failure) -> VaultPool.Member {
        let bound = BoundEnvironment()
        let sealer = RecordSealer(
            keys: keys, environment: configuration.environment, former: configuration.formerEnvironments, clock: clock,
            random: random)
        let adapter = try adapter(vault, context.with(keyCheck: keyCheck(keys, root, bound)).with(sealer: sealer))
        let records = { (vaultOrGuard: any VaultAdapter) throws(Failure) in
            try store(vaultOrGuard, vault, legacy, keys, boundTo: bound.name)
        }
        if vault.driver.isLocal {
            return VaultPool.Member(store: try records(adapter), advice: vault.driver.advice)
        }
        var limits = VaultLimits()
        limits.timeout = .milliseconds(vault.timeoutMilliseconds)
        limits.maximumQueued = vault.queue
        limits.maximumQueuedPerUID = configuration.limits.queuePerUID
        limits.admission.maximum = vault.concurrency
        let guarded = GuardedVault(
            adapter, limits: limits, clock: clock, random: random, sleeper: TaskSleeper(clock: clock))
        return VaultPool.Member(store: try records(guarded), guarded: guarded, advice: vault.driver.advice)
    }

    /// What is refused about a vault on another host bears the vault's name, the setting, and where
    /// it was set; a local one's error names its files.
    private func adapter(_ vault: VaultConfiguration, _ context: VaultContext) throws(Failure) -> any VaultAdapter {
        // No vault has the secrets of another, and none the passphrase: it may keep what it has for life.
        let secrets = secrets.only(vault.driver.secretVariables, prefixes: vault.driver.secretPrefixes)
        let context = context.with(secret: { secrets[$0] }, secrets: { secrets.beginning($0) })
        guard !vault.driver.isLocal else { return try vault.driver.open(vault, context) }
        do throws(Failure) {
            return try vault.driver.open(vault, context)
        } catch {
            throw Failure(error.code, error.reason, vault.placed(error.message), vault: vault.name)
        }
    }

    /// - Parameter environment: that of all records there; nil = the configured one.
    private func store(
        _ adapter: any VaultAdapter, _ vault: VaultConfiguration, _ legacy: LegacyFormat?, _ keys: KeyRing,
        boundTo environment: String?
    ) throws(Failure) -> RecordStore {
        try RecordStore(
            vault: adapter, keys: keys, environment: environment ?? configuration.environment,
            formerEnvironments: environment == nil ? configuration.formerEnvironments : [], format: vault.format,
            accept: Set(vault.accept), keep: Set(vault.keep), legacy: legacy, clock: clock,
            random: BufferedRandom(random))
    }

    private func keyCheck(_ keys: KeyRing, _ root: String?, _ bound: BoundEnvironment) -> VaultContext.KeyCheck {
        let (environment, former) = (configuration.environment, configuration.formerEnvironments)
        let (clock, random) = (clock, random)
        return { existing, identity throws(Failure) in
            let check = try KeyCheck.check(
                existing: existing, identity: identity, keys: keys, environment: environment, former: former,
                derivedFrom: root, generation: clock.wall * 1_000, random: random)
            bound.name = check.environment
            return check.kept
        }
    }

    // MARK: What several vaults share

    /// Without a check of keys: each vault has its own.
    ///
    /// - Parameter parts: what is made from it is noted there.
    private func context(_ parts: VaultParts) -> VaultContext {
        let (clock, random, log) = (clock, random, log)
        let files = RuledFileReader(clock: clock)
        return VaultContext(
            clock: clock, random: random, dataFolder: configuration.data,
            patience: VaultLimits.patience(ofCallsIn: .milliseconds(configuration.limits.callMilliseconds)),
            secret: { _ in nil },
            variable: SecretVariables.value(of:),
            readFile: { path, rule throws(Failure) in try SecretFile.readIfThere(path, rule) },
            readFileLater: { path, rule, deadline async throws(Failure) in
                try await files.read(path, rule, deadline: deadline)
            },
            tlsFiles: { vault throws(Failure) in
                let name = vault.name
                guard let watch = try TLSFileWatch(vault, log: log, whenChanged: { [weak parts] in parts?.noteNewCertificates(of: name) })
                else { return nil }
                parts.add(watch, of: vault)
                return watch.contents
            },
            connect: { endpoint throws(Failure) in try parts.client(endpoint) },
            whenReloaded: { vault, refresh in parts.add(refresh, of: vault) },
            keyCheck: { _, _ throws(Failure) in throw .internalError("a database is opened without keys") },
            notice: { vault, text in log.notice("\(text)", metadata: ["vault": "\(vault)"]) },
            expect: { vault, file in parts.add(file, of: vault) })
    }

    /// For vaults that hold what the predecessor encrypted; its key is the passphrase.
    private func legacyFormat() throws(Failure) -> LegacyFormat? {
        let isWanted = configuration.vaults.contains { $0.accept.contains(.legacyAES) }
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

extension VaultConfiguration {
    /// What is wrong with it, behind the place where that is to be mended: a line of the file, or a variable.
    ///
    /// - Parameter message: with the name of a setting or of a variable and a colon before the text where one is meant.
    fileprivate func placed(_ message: String) -> String {
        let word = String(message.prefix { $0 != ":" })
        guard let setting = setting(word) else {
            let isVariable = !isNamed && (driver.variables + driver.secretVariables).contains(word)
            return isVariable ? message : placed("", isNamed ? "\(path): \(message)" : message)
        }
        guard !isNamed else { return placed(word, "\(path).\(message)") }
        // Where it was not set, the variable that every setting has.
        let variable = locations[word] ?? setting.variables[0]
        return "\(variable): \(message.dropFirst(word.count + 1).drop { $0 == " " })"
    }

    private func placed(_ setting: String, _ text: String) -> String {
        let place = locations[setting] ?? locations[""] ?? locations["type"]
        return (place.map { "\($0): " } ?? "") + text
    }
}

/// The environment that a database's records are bound to; nil until it is known.
private final class BoundEnvironment: Sendable {
    private let value = Mutex<String?>(nil)

    var name: String? {
        get { value.withLock { $0 } }
        set { value.withLock { $0 = newValue } }
    }
}

/// Files by the rule of who else may read them, each read on threads of its own.
private struct RuledFileReader: Sendable {
    private let readers: [ProtectedFile.Rule: FileReader]

    init(clock: SystemClock) {
        let rules = ProtectedFile.Rule.allCases.map { rule in
            (rule, FileReader(clock: clock) { path throws(Failure) in try SecretFile.readIfThere(path, rule) })
        }
        readers = Dictionary(uniqueKeysWithValues: rules)
    }

    func read(
        _ path: String, _ rule: ProtectedFile.Rule, deadline: BootInstant
    ) async throws(Failure) -> Secret? {
        guard let reader = readers[rule] else { throw .internalError("a file is read by no rule") }
        return try await reader.read(path, deadline: deadline)
    }

    /// Why a vault cannot do its work with the file as it is now; nil = it can, as far as can be known without the vault.
    func problem(of file: ExpectedFile, deadline: BootInstant) async -> String? {
        do throws(Failure) {
            guard let content = try await read(file.path, file.rule, deadline: deadline) else {
                return "there is no file \(file.path); until it is there, the vault cannot be used"
            }
            try file.check(content)
            return nil
        } catch {
            return "\(error.message); until that is mended, the vault cannot be used"
        }
    }
}
