import CLinux
import CofferAccess
import CofferCache
import CofferCore
import CofferCrypto
import CofferServer
import CofferVault
import CofferVaultKit
import Dispatch
import Glibc
import Logging

/// The daemon put together: keys, vault, server, and their order at start and stop.
package struct Daemon {
    package static let version = "0.1.0"
    /// After the drain, for the vaults to end what they are doing.
    private static let closeSeconds = 10

    private let configuration: Configuration
    private let mayBeNew: Bool
    private let log: Logger
    private let lines: LogQueue
    private let clock = SystemClock()
    private let random = SystemRandom()

    /// - Parameter mayBeNew: empty databases may take the place of missing ones.
    package init(_ configuration: Configuration, mayBeNew: Bool = false) {
        self.configuration = configuration
        self.mayBeNew = mayBeNew
        let format = configuration.logFormat
        let isText = format == .text || (format == .auto && isatty(2) == 1)
        let clock = clock
        @Sendable func handler(_ write: @escaping @Sendable (String) -> Void) -> LineLogHandler {
            LineLogHandler(
                level: configuration.logLevel, format: isText ? .text : .json, now: { clock.wall }, write: write)
        }
        let lines = LogQueue { count in
            handler({ _ in }).line(
                .warning, "log lines were dropped: nothing read them in time", ["count": "\(count)"])
        }
        self.lines = lines
        log = Logger(label: "cofferd") { _ in handler { lines.append($0) } }
    }

    /// Serves until SIGTERM or SIGINT, then drains. Call it on the main thread,
    /// before there are others: threads inherit which signals are blocked.
    ///
    /// - Throws: why it could not start, in one line.
    package func run() throws(StartupError) {
        Signals.endQuietlyAtFaults()
        Signals.block()
        try StackLimit.raise()
        try checkLimits()
        try lines.start()
        // Whatever waits for what was logged waits no longer than that.
        defer { lines.flush(milliseconds: 1_000) }
        let stop = try stopSignal()
        umask(0o077)
        if !OpenSSLMemory.wipeWhatIsFreed() {
            log.warning("OpenSSL does not overwrite what it frees")
        }
        if coffer_harden_process(true) != 0 {
            log.warning("cannot turn off core dumps and ptrace", metadata: ["errno": "\(errno)"])
        }
        let overflow = try OverflowIDs.ofKernel.forDaemon(uid: geteuid(), gid: getegid())
        let folders = try makeDataFolder()
        do throws(StartupError) {
            let opened = try open()
            Traces.forget()
            do throws(StartupError) {
                try serve(opened, stop, overflow)
            } catch {
                opened.socket.remove()
                throw error
            }
        } catch {
            // rmdir removes empty folders only. An error of the system can mean that another start uses this folder.
            if error.exitCode == StartupError.configurationExitCode {
                for folder in folders.reversed() { rmdir(folder) }
            }
            throw error
        }
    }

    /// Finds what `run` would refuse about the configuration, without making or opening
    /// anything that a start makes. The secrets of the environment are gone then.
    ///
    /// - Throws: what is wrong, in one line.
    package func check() throws(StartupError) {
        let secrets = SecretVariables.take(configuration.catalogue.secretVariables)
        let found = DataFolder(configuration)
        try found.checkDatabases(mayBeNew: mayBeNew)
        try KeyStore.check(configuration, passphrase: secrets.passphrase, found: found)
        try lines.start()
        defer { lines.flush(milliseconds: 1_000) }
        for notice in configuration.notices { log.warning("\(notice)") }
        try VaultOpener(configuration, secrets, clock: clock, random: random, log: log).check()
    }

    private func checkLimits() throws(StartupError) {
        let held = configuration.cache.maximumBytes + configuration.limits.bufferedBytes
        // A vault has up to four threads, and the rest of the daemon some eight: its log, signals, files.
        let threads = configuration.reactors + sysconf(Int32(_SC_NPROCESSORS_ONLN)) + 8 + 4 * configuration.vaults.count
        try ProcessLimits.check(held: held, threads: threads)
    }

    /// Ends the process if the stop hangs, for instance in a disk that does not answer.
    private func stopSignal() throws(StartupError) -> StopSignal {
        let (log, lines) = (log, lines)
        let seconds = configuration.limits.drainSeconds + Self.closeSeconds
        return try StopSignal(patience: .seconds(seconds)) {
            log.error(
                "ended without a clean stop: a vault or a file system does not answer",
                metadata: ["waited": "\(seconds)s"])
            lines.flush(milliseconds: 1_000)
            _exit(1)
        }
    }

    /// What serving needs.
    private struct Opened {
        let pool: VaultPool
        let keys: KeyStore
        let socket: SocketFile
    }

    /// A function of its own, never merged into its caller: with its end the secrets
    /// of the environment go, but for what a vault needs.
    @inline(never)
    private func open() throws(StartupError) -> Opened {
        let secrets = SecretVariables.take(configuration.catalogue.secretVariables)
        let found = DataFolder(configuration)
        try found.checkDatabases(mayBeNew: mayBeNew)
        let keys = try KeyStore(configuration, passphrase: secrets.passphrase, found: found, now: clock.wall)
        let socket = try SocketFile(path: configuration.socket, mode: configuration.socketMode)
        do throws(StartupError) {
            let pool = try VaultOpener(configuration, secrets, clock: clock, random: random, log: log)
                .open(keys.ring) { () throws(StartupError) in try keys.saveRoot() }
            try keys.save()
            tellWhatIsNew(keys, found)
            return Opened(pool: pool, keys: keys, socket: socket)
        } catch {
            socket.remove()
            throw error
        }
    }

    private func serve(_ opened: Opened, _ stop: StopSignal, _ overflow: OverflowIDs) throws(StartupError) {
        let (pool, socket) = (opened.pool, opened.socket)
        let bootKey = BootKey()
        let server = try startServer(opened, bootKey, overflow)
        let prober = VaultProber(pool, clock: clock, random: random, sleeper: TaskSleeper(clock: clock))
        let probing = Task { await prober.run() }
        let following = Task { await server.followChanges() }
        announce(opened.keys.place)
        for vault in configuration.vaults where !vault.driver.isLocal { tellWhatIsWritten(vault) }
        log.info(
            "serving",
            metadata: [
                "vaults": "\(pool.vaults.map { "\($0.name) (\($0.store.vaultKind))" }.joined(separator: ", "))",
                "reactors": "\(configuration.reactors)",
            ])
        let signal = wait(stop, socket)
        log.info("draining", metadata: ["signal": "\(signal)"])
        socket.hide()
        server.drain()
        probing.cancel()
        following.cancel()
        close(pool)
        server.stop()
        socket.remove()
        log.info("stopped")
    }

    /// Waits for the stop, and looks after the socket's path meanwhile.
    private func wait(_ stop: StopSignal, _ socket: SocketFile) -> Int32 {
        var wasInPlace = true
        while true {
            if let signal = stop.wait(seconds: 2) { return signal }
            let isInPlace = socket.isInPlace
            if wasInPlace && !isInPlace {
                log.error(
                    "the socket was removed or replaced: no client can connect; restart cofferd",
                    metadata: ["socket": "\(socket.path)"])
            }
            wasInPlace = isInPlace
        }
    }

    private func startServer(
        _ opened: Opened, _ bootKey: BootKey, _ overflow: OverflowIDs
    ) throws(StartupError) -> Server {
        let (pool, socket) = (opened.pool, opened.socket)
        let lines = lines
        var limits = configuration.limits
        let room = DescriptorLimit.raise()
        if room < limits.connections {
            log.warning(
                "fewer connections than configured: the limit of open files does not allow them",
                metadata: ["configured": "\(limits.connections)", "possible": "\(room)"])
            limits.shrink(toConnections: room)
        }
        let server = Server.Configuration(
            reactors: configuration.reactors, spin: .microseconds(configuration.spinMicroseconds), limits: limits,
            policy: OwnerPolicy(owner: geteuid(), overflow: overflow), cache: configuration.cache,
            flightTime: .milliseconds(configuration.vaults.map(\.timeoutMilliseconds).max() ?? 5_000),
            version: Self.version, warnings: warnings(bootKey, opened, overflow), droppedLogLines: { lines.droppedTotal })
        do throws(Failure) {
            return try Server(
                server, listener: socket.listener, pool: pool, bootKey: bootKey, clock: clock, random: random, log: log)
        } catch {
            throw StartupError(error)
        }
    }

    /// Protections that are missing, logged and shown by Health.
    private func warnings(_ bootKey: BootKey, _ opened: Opened, _ overflow: OverflowIDs) -> [String] {
        var warnings = configuration.notices + bootKey.warnings + [overflow.warning(gid: getegid())].compactMap(\.self)
        if opened.keys.isGenerated, configuration.vaults.contains(where: { !$0.driver.isLocal }) {
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
    private func announce(_ keyPlace: String) {
        let text = """
            socket  \(configuration.socket)
            data    \(configuration.vaults.map { $0.driver.location(of: $0, dataFolder: configuration.data) }.joined(separator: ", "))
            key     \(keyPlace)
            try     printf s3cret | coffer store user1 conn1 --socket \(configuration.socket)

            """
        lines.append(Array(text.utf8), to: 1)
    }

    /// Waits for the vaults to finish what they have taken.
    private func close(_ pool: VaultPool) {
        let closed = DispatchSemaphore(value: 0)
        Task {
            await pool.close()
            closed.signal()
        }
        closed.wait()
    }

    /// - Returns: the folders that were not there, outermost first.
    private func makeDataFolder() throws(StartupError) -> [String] {
        let folder = configuration.data
        var made = ""
        var new: [String] = []
        for part in folder.split(separator: "/", omittingEmptySubsequences: true) {
            made += (made.isEmpty && !folder.hasPrefix("/") ? "" : "/") + part
            if mkdir(made, 0o700) == 0 {
                new.append(made)
                continue
            }
            if errno == EEXIST || errno == EROFS { continue }
            let error = StartupError("cannot make the data folder \(made): \(String(cString: strerror(errno)))")
            for folder in new.reversed() { rmdir(folder) }
            throw error
        }
        return new
    }
}
