import CLinux
import CofferAccess
import CofferCore
import CofferCrypto
import CofferServer
import CofferVault
import Dispatch
import Glibc
import Logging

/// The daemon put together: keys, vault, server, and their order at start and stop.
package struct Daemon {
    package static let version = "0.1.0"
    /// After the drain, for the vaults to end what they are doing.
    private static let closeSeconds = 10

    private let configuration: Configuration
    private let log: Logger
    private let lines: LogQueue
    private let clock = SystemClock()
    private let random = SystemRandom()
    private let overflow = OverflowIDs.ofKernel

    package init(_ configuration: Configuration) {
        self.configuration = configuration
        let format = configuration.logFormat
        let isText = format == .text || (format == .auto && isatty(2) == 1)
        let clock = clock
        @Sendable func handler(_ write: @escaping @Sendable (String) -> Void) -> LineLogHandler {
            LineLogHandler(
                level: configuration.logLevel, format: isText ? .text : .json, now: { clock.wall }, write: write)
        }
        let lines = LogQueue { count in
            handler({ _ in }).line(
                .warning, "log lines were dropped: nobody read them in time", ["count": "\(count)"])
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
        try lines.start()
        // Whatever waits for what was logged waits no longer than that.
        defer { lines.flush(milliseconds: 1_000) }
        let stop = try stopSignal()
        umask(0o077)
        if coffer_harden_process() != 0 {
            log.warning("cannot turn off core dumps and ptrace", metadata: ["errno": "\(errno)"])
        }
        try overflow.refuse(uid: geteuid(), gid: getegid())
        let opened = try open()
        Traces.forget()
        do throws(StartupError) {
            try serve(opened, stop)
        } catch {
            opened.socket.remove()
            throw error
        }
    }

    /// Finds what `run` would refuse about the configuration, without making or opening
    /// anything that a start makes. The secrets of the environment are gone then.
    ///
    /// - Throws: what is wrong, in one line.
    package func check() throws(StartupError) {
        let secrets = SecretVariables.take()
        let source = try KeySource.choose(configuration, passphrase: secrets.passphrase)
        if source.isThere { _ = try rootKey(source) }
        try lines.start()
        defer { lines.flush(milliseconds: 1_000) }
        try VaultOpener(configuration, secrets, clock: clock, random: random, log: log).check()
    }

    /// Ends the process if the stop hangs, for instance in a disk that does not answer.
    private func stopSignal() throws(StartupError) -> StopSignal {
        let (log, lines) = (log, lines)
        let seconds = configuration.limits.drainSeconds + Self.closeSeconds
        return try StopSignal(patience: .seconds(seconds)) {
            log.error(
                "ended without a clean stop: a vault or a file system does not answer",
                metadata: ["waited_s": "\(seconds)"])
            lines.flush(milliseconds: 1_000)
            _exit(1)
        }
    }

    /// What serving needs.
    private struct Opened {
        let pool: VaultPool
        let keyPlace: String
        let socket: SocketFile
    }

    /// A function of its own, never merged into its caller: with its end the secrets
    /// of the environment go, but for what a vault needs.
    @inline(never)
    private func open() throws(StartupError) -> Opened {
        let secrets = SecretVariables.take()
        try makeDataFolder()
        let (keys, keyPlace) = try openKeys(secrets)
        let socket = try SocketFile(path: configuration.socket, mode: configuration.socketMode)
        do throws(StartupError) {
            let pool = try VaultOpener(configuration, secrets, clock: clock, random: random, log: log).open(keys)
            return Opened(pool: pool, keyPlace: keyPlace, socket: socket)
        } catch {
            socket.remove()
            throw error
        }
    }

    private func serve(_ opened: Opened, _ stop: StopSignal) throws(StartupError) {
        let (pool, socket) = (opened.pool, opened.socket)
        let bootKey = BootKey()
        let server = try startServer(pool, bootKey, socket)
        let prober = VaultProber(pool, clock: clock, random: random, sleeper: TaskSleeper(clock: clock))
        let probing = Task { await prober.run() }
        announce(opened.keyPlace)
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
        close(pool)
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
        _ pool: VaultPool, _ bootKey: BootKey, _ socket: SocketFile
    ) throws(StartupError) -> Server {
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
            policy: AccessPolicy(owner: geteuid(), overflow: overflow), cache: configuration.cache,
            flightTime: .milliseconds(configuration.vaults.map(\.timeoutMilliseconds).max() ?? 5_000),
            version: Self.version, warnings: warnings(bootKey, pool), droppedLogLines: { lines.droppedTotal })
        do throws(Failure) {
            return try Server(
                server, listener: socket.listener, pool: pool, bootKey: bootKey, clock: clock, random: random, log: log)
        } catch {
            throw StartupError(error)
        }
    }

    /// Protections that are missing, logged and shown by Health.
    private func warnings(_ bootKey: BootKey, _ pool: VaultPool) -> [String] {
        var warnings = bootKey.warnings
        if pool.vaults.contains(where: { $0.store.vaultKind == "memory" }) {
            warnings.append("the memory vault forgets everything when the daemon stops")
        }
        for warning in warnings { log.warning("\(warning)") }
        return warnings
    }

    /// The ring, and for people where its key is. The key itself is gone then.
    private func openKeys(_ secrets: SecretVariables) throws(StartupError) -> (KeyRing, place: String) {
        let source = try KeySource.choose(configuration, passphrase: secrets.passphrase)
        let (key, isNew) = try rootKey(source)
        do throws(KeyError) {
            let file = try KeyRingFile.openOrCreate(
                path: configuration.data + "/keyring", root: key, now: clock.wall)
            return (
                file.ring,
                source.place + (isNew ? " (made now: keep a copy apart from the data)" : ""))
        } catch {
            throw StartupError(error.description, exitCode: StartupError.configurationExitCode)
        }
    }

    private func rootKey(_ source: KeySource) throws(StartupError) -> (key: RootKey, isNew: Bool) {
        let found: (key: RootKey, isNew: Bool)
        do throws(KeyError) {
            found = try source.load()
        } catch {
            throw StartupError(error.description, exitCode: StartupError.configurationExitCode)
        }
        try source.check(found.key, isProduction: configuration.isProduction)
        return found
    }

    /// Where everything is, and a command to try.
    private func announce(_ keyPlace: String) {
        let text = """
            socket  \(configuration.socket)
            data    \(configuration.vaults.map { $0.place(in: configuration.data) }.joined(separator: ", "))
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

    private func makeDataFolder() throws(StartupError) {
        let folder = configuration.data
        var made = ""
        for part in folder.split(separator: "/", omittingEmptySubsequences: true) {
            made += (made.isEmpty && !folder.hasPrefix("/") ? "" : "/") + part
            if mkdir(made, 0o700) == 0 || errno == EEXIST || errno == EROFS { continue }
            throw StartupError(
                "cannot make the data folder \(made): \(String(cString: strerror(errno)))")
        }
    }
}
