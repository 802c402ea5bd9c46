import CLinux
import CofferAccess
import CofferCache
import CofferCore
import CofferCrypto
import CofferPolicy
import CofferProcess
import CofferServer
import CofferVault
import CofferVaultKit
import Glibc
import Logging

/// The daemon put together: its components, and their order at start, reload and stop.
package struct Daemon {
    package static let version = "0.1.0"

    private let configuration: Configuration
    private let mayBeNew: Bool
    private let reload: @Sendable () throws(ConfigurationErrors) -> Configuration
    private let log: Logger
    private let level: LogLevel
    private let lines: LogQueue
    private let clock = SystemClock()
    private let random = SystemRandom()

    /// - Parameters:
    ///   - mayBeNew: empty databases may take the place of missing ones.
    ///   - reload: reads the configuration again, from the same sources.
    package init(
        _ configuration: Configuration, mayBeNew: Bool = false,
        reload: @escaping @Sendable () throws(ConfigurationErrors) -> Configuration
    ) {
        self.configuration = configuration
        self.mayBeNew = mayBeNew
        self.reload = reload
        let format = configuration.logFormat
        let isText = format == .text || (format == .auto && isatty(2) == 1)
        let clock = clock
        let level = LogLevel(configuration.logLevel)
        @Sendable func handler(_ write: @escaping @Sendable (String) -> Void) -> LineLogHandler {
            LineLogHandler(level: level, format: isText ? .text : .json, now: { clock.wall }, write: write)
        }
        let lines = LogQueue { count in
            handler({ _ in }).line(
                .warning, "log lines were dropped: nothing read them in time, or the system refused them", ["count": "\(count)"])
        }
        self.level = level
        self.lines = lines
        log = Logger(label: "cofferd") { _ in handler { lines.append($0) } }
    }

    /// Serves until SIGTERM or SIGINT, then drains; reloads the configuration at SIGHUP. Call it on the
    /// main thread, before there are others: threads inherit which signals are blocked.
    ///
    /// - Throws: why it could not start, in one line.
    package func run() throws(StartupError) {
        Faults.endQuietly()
        Signals.block()
        let source = ListenerSource(configuration, handedOver: try HandedOverSocket.take())
        try checkHost()
        let (lifecycle, running) = try Lifecycle.started { (lifecycle) throws(StartupError) in
            try start(lifecycle, source)
        }
        let signal = wait(running)
        log.info("draining", metadata: ["signal": "\(signal)"])
        lifecycle.drain()
        lifecycle.stop()
    }

    /// Finds what `run` would refuse about the configuration, without making or opening
    /// anything that a start makes. The secrets of the environment are gone then.
    ///
    /// - Throws: what is wrong, in one line.
    package func check() throws(StartupError) {
        _ = try HandedOverSocket.take()
        try checkHost()
        let overflow = try OverflowIDs.ofKernel.forDaemon(uid: geteuid(), gid: getegid())
        _ = try SocketGroup.number(configuration.socketGroup)
        _ = try policy(overflow)
        let secrets = SecretVariables.take(
            configuration.catalogue.secretVariables, prefixes: configuration.catalogue.secretPrefixes)
        let found = DataFolder(configuration)
        try DataFolder.check(configuration.data)
        try found.checkDatabases(mayBeNew: mayBeNew)
        try KeyStore.check(configuration, passphrase: secrets.passphrase, found: found)
        try lines.start()
        defer { lines.flush(milliseconds: 1_000) }
        for notice in configuration.notices { log.warning("\(notice)") }
        try VaultOpener(configuration, secrets, clock: clock, random: random, log: log).check()
    }

    /// - Throws: which limit of the process is too low.
    private func checkHost() throws(StartupError) {
        try StackLimit.raise()
        try ProcessLimits.check(held: Self.held(configuration), threads: threads)
    }

    // MARK: The order of the components

    /// What the main thread waits with.
    private struct Running {
        let signals: SignalWatch
        let listener: any Listener
    }

    /// Starts the components in the order in which they are reloaded, too. They are drained and
    /// stopped in the reverse one.
    private func start(_ lifecycle: Lifecycle, _ source: ListenerSource) throws(StartupError) -> Running {
        let reloader = reloader(lifecycle)
        let signals = signals(reloader)
        try lifecycle.start(LogComponent(lines, level, log))
        try lifecycle.start(signals)
        let overflow = try harden()
        // Before what reads files of vaults again: a policy is in force soon.
        let policies = try policy(overflow)
        let policy = try lifecycle.start(PolicyComponent(policies.first, policies.source, overflow: overflow, log: log))
        try lifecycle.start(DataFolderComponent(configuration.data))
        let (keys, listener, pool) = try open(lifecycle, source)
        StackScrubber.scrub()
        let bootKey = BootKey()
        try lifecycle.start(
            ServerComponent(
                server(warnings(bootKey, keys, overflow), policy), listener, pool, bootKey, clock: clock, random: random,
                log: log))
        let prober = VaultProber(pool, clock: clock, random: random, sleeper: TaskSleeper(clock: clock))
        try lifecycle.start(ProberComponent(prober))
        try lifecycle.start(reloader)
        announce(listener, keys.place, pool)
        return Running(signals: signals, listener: listener)
    }

    /// The listener before the vaults: of two daemons with the same data, its lock stops the second one. The
    /// keys before it: without them nothing is made.
    ///
    /// A function of its own, never merged into its caller: with its end the secrets
    /// of the environment go, but for what a vault needs.
    @inline(never)
    private func open(
        _ lifecycle: Lifecycle, _ source: ListenerSource
    ) throws(StartupError) -> (KeyStore, any Listener, VaultPool) {
        let secrets = SecretVariables.take(
            configuration.catalogue.secretVariables, prefixes: configuration.catalogue.secretPrefixes)
        let found = DataFolder(configuration)
        try found.checkDatabases(mayBeNew: mayBeNew)
        let keys = try KeyStore(configuration, passphrase: secrets.passphrase, found: found, now: clock.wall)
        let listener = try lifecycle.start(ListenerComponent(source))
        let opener = VaultOpener(configuration, secrets, clock: clock, random: random, log: log)
        let pool = try lifecycle.start(VaultsComponent(opener, keys))
        tellWhatIsNew(keys, found)
        return (keys, listener, pool)
    }

    // MARK: What they are made with

    /// Bytes that cache and buffers may have.
    private static func held(_ configuration: Configuration) -> Int {
        configuration.cache.maximumBytes + configuration.limits.bufferedBytes
    }

    /// At most: a vault has up to four, and the rest of the daemon some nine: its log, signals, reloads, files.
    private var threads: Int {
        configuration.reactors + sysconf(Int32(_SC_NPROCESSORS_ONLN)) + 9 + 4 * configuration.vaults.count
            + (configuration.policyFile.isEmpty ? 0 : CallerLookup.maximumThreads)
    }

    private func harden() throws(StartupError) -> OverflowIDs {
        umask(0o077)
        if !OpenSSLMemory.wipeWhatIsFreed() {
            log.warning("OpenSSL does not overwrite what it frees")
        }
        if coffer_harden_process(true) != 0 {
            log.warning("cannot turn off core dumps and ptrace", metadata: ["errno": "\(errno)"])
        }
        return try OverflowIDs.ofKernel.forDaemon(uid: geteuid(), gid: getegid())
    }

    /// Where policies come from, and the first.
    private func policy(_ overflow: OverflowIDs) throws(StartupError) -> (source: PolicySource, first: Policy) {
        let source = PolicySource(.ofSystem(overflow: overflow), owner: geteuid())
        do throws(PolicyRefused) {
            return (source, try source.policy(configuration))
        } catch {
            let lines = error.lines.map { "policy_file: \($0)" }
            throw StartupError(lines.joined(separator: "\n"), exitCode: StartupError.configurationExitCode)
        }
    }

    private func reloader(_ lifecycle: Lifecycle) -> Reloader {
        let threads = threads
        return Reloader(
            configuration, load: reload,
            check: { (configuration) throws(StartupError) in
                try ProcessLimits.checkMemory(held: Self.held(configuration), threads: threads)
            },
            apply: { lifecycle.reload($0) }, clock: clock, log: log)
    }

    /// Ends the process if the stop hangs, for instance in a disk that does not answer.
    private func signals(_ reloader: Reloader) -> SignalWatch {
        let (log, lines) = (log, lines)
        return SignalWatch(configuration, hangUp: { reloader.request() }) { seconds in
            log.error(
                "ended without a clean stop: a vault or a file system does not answer",
                metadata: ["waited": "\(seconds)s"])
            lines.flush(milliseconds: 1_000)
            _exit(1)
        }
    }

    private func server(_ warnings: [String], _ policy: CurrentPolicy) -> Server.Configuration {
        let lines = lines
        return Server.Configuration(
            reactors: configuration.reactors, spin: .microseconds(configuration.spinMicroseconds),
            limits: configuration.limits, access: AccessControl(policy, identifier: CallerLookup()),
            cache: configuration.cache,
            flightTime: .milliseconds(configuration.vaults.map(\.timeoutMilliseconds).max() ?? 5_000),
            version: Self.version, warnings: warnings, droppedLogLines: { lines.droppedTotal })
    }

    /// Waits for the stop, and looks after the socket's path meanwhile.
    private func wait(_ running: Running) -> Int32 {
        let listener = running.listener
        var wasInPlace = true
        while true {
            if let signal = running.signals.wait(seconds: 2) { return signal }
            let isInPlace = listener.isInPlace
            if wasInPlace && !isInPlace {
                log.error(
                    "the socket was removed or replaced: no client can connect; \(listener.remedy)",
                    metadata: ["socket": "\(listener.path)"])
            }
            wasInPlace = isInPlace
        }
    }

    // MARK: What is said at the start

    /// Protections that are missing, logged and shown by Health.
    private func warnings(_ bootKey: BootKey, _ keys: KeyStore, _ overflow: OverflowIDs) -> [String] {
        var warnings = configuration.notices + bootKey.warnings + [overflow.warning(gid: getegid())].compactMap(\.self)
        if keys.isGenerated, configuration.vaults.contains(where: { !$0.driver.isLocal }) {
            warnings.append(
                "the key of records in vaults on other hosts is in the data folder only, where the daemon made it: copy \(configuration.data)/root.key to a safe place, and on other hosts name a copy in key.file (COFFER_KEY_FILE); a passphrase cannot replace it"
            )
        }
        for vault in configuration.vaults where vault.driver.isVolatile {
            warnings.append("vault \(vault.name): the \(vault.driver.title) forgets everything when the daemon stops")
        }
        for warning in warnings { log.warning("\(warning)") }
        return warnings
    }

    /// What a start makes: the first, or one that lost something.
    private func tellWhatIsNew(_ keys: KeyStore, _ found: DataFolder) {
        // Nothing was there that could not be opened now.
        if keys.isDerived, found.databases.isEmpty, configuration.vaults.allSatisfy(\.driver.isLocal) {
            let made = found.missing.isEmpty ? "the key ring" : "the key ring and an empty database"
            log.notice("first start in this data folder: made \(made)", metadata: ["path": "\(configuration.data)"])
            return
        }
        if keys.isDerived {
            log.notice(
                "no key ring was there: made it from the root key; records sealed under another ring do not open",
                metadata: ["path": "\(found.ring)"])
        }
        for (vault, path) in found.missing {
            log.notice("no database was there: made an empty one", metadata: ["vault": "\(vault)", "path": "\(path)"])
        }
    }

    /// What records look like in a vault that other programs may read and write too.
    private func tellWhatIsWritten(_ vault: VaultConfiguration) {
        var text = "records are written as \(vault.format.readers)"
        if let kept = vault.keep.first {
            text += "; one that is there as \(kept.readers), stays so; set COFFER_FORMAT to choose one format for all"
        }
        let unsealed = vault.accept.filter { $0 != .sealed && $0 != vault.format }.map(\.rawValue)
        if !unsealed.isEmpty { text += "; \(unsealed.joined(separator: ", ")) is accepted too" }
        log.notice("\(text)", metadata: ["vault": "\(vault.name)"])
    }

    /// Where everything is, and a command to try.
    private func announce(_ listener: any Listener, _ keyPlace: String, _ pool: VaultPool) {
        let text = """
            socket  \(listener.path)
            data    \(configuration.vaults.map { $0.driver.location(of: $0, dataFolder: configuration.data) }.joined(separator: ", "))
            key     \(keyPlace)
            try     printf s3cret | coffer store user1 conn1 --socket \(listener.path)

            """
        lines.append(Array(text.utf8), to: 1)
        if let notice = listener.notice { log.notice("\(notice)", metadata: ["socket": "\(listener.path)"]) }
        for vault in configuration.vaults where !vault.driver.isLocal { tellWhatIsWritten(vault) }
        log.info(
            "serving",
            metadata: [
                "vaults": "\(pool.vaults.map { "\($0.name) (\($0.store.vaultKind))" }.joined(separator: ", "))",
                "reactors": "\(configuration.reactors)",
            ])
    }
}
