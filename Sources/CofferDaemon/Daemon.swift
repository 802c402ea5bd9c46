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

    private let configuration: Configuration
    private let log: Logger
    private let clock = SystemClock()
    private let random = SystemRandom()
    private let overflow = OverflowIDs.ofKernel

    package init(_ configuration: Configuration) {
        self.configuration = configuration
        let format = configuration.logFormat
        let isText = format == .text || (format == .auto && isatty(2) == 1)
        let clock = clock
        log = Logger(label: "cofferd") { _ in
            LineLogHandler(
                level: configuration.logLevel, format: isText ? .text : .json,
                now: { clock.wall })
        }
    }

    /// Serves until SIGTERM or SIGINT, then drains. Call it on the main thread,
    /// before there are others: threads inherit which signals are blocked.
    ///
    /// - Throws: why it could not start, in one line.
    package func run() throws(StartupError) {
        Signals.endQuietlyAtFaults()
        Signals.block()
        umask(0o077)
        if coffer_harden_process() != 0 {
            log.warning("cannot turn off core dumps and ptrace", metadata: ["errno": "\(errno)"])
        }
        try overflow.refuse(uid: geteuid(), gid: getegid())
        let opened = try open()
        Traces.forget()
        do throws(StartupError) {
            try serve(opened)
        } catch {
            opened.socket.remove()
            throw error
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
            let pool = try VaultOpener(configuration, secrets, keys, clock: clock, random: random).open()
            return Opened(pool: pool, keyPlace: keyPlace, socket: socket)
        } catch {
            socket.remove()
            throw error
        }
    }

    private func serve(_ opened: Opened) throws(StartupError) {
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
        let signal = Signals.waitForStop()
        log.info("draining", metadata: ["signal": "\(signal)"])
        socket.hide()
        server.drain()
        probing.cancel()
        close(pool)
        socket.remove()
        log.info("stopped")
    }

    private func startServer(
        _ pool: VaultPool, _ bootKey: BootKey, _ socket: SocketFile
    ) throws(StartupError) -> Server {
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
            version: Self.version, warnings: warnings(bootKey, pool))
        do throws(Failure) {
            return try Server(
                server, listener: socket.listener, pool: pool, bootKey: bootKey, clock: clock, random: random, log: log)
        } catch {
            throw StartupError(error)
        }
    }

    /// Protections that are missing, logged and shown by Health.
    private func warnings(_ bootKey: BootKey, _ pool: VaultPool) -> [String] {
        var warnings: [String] = []
        if !bootKey.isSecretMemory {
            warnings.append(
                "the kernel gives no memfd_secret memory: root can read the key of cached values")
        }
        if pool.vaults.contains(where: { $0.store.vaultKind == "memory" }) {
            warnings.append("the memory vault forgets everything when the daemon stops")
        }
        for warning in warnings { log.warning("\(warning)") }
        return warnings
    }

    /// The ring, and for people where its key is. The key itself is gone then.
    private func openKeys(_ secrets: SecretVariables) throws(StartupError) -> (KeyRing, place: String) {
        let source = try KeySource.choose(configuration, passphrase: secrets.passphrase)
        do throws(KeyError) {
            let (key, isNew) = try source.load()
            let file = try KeyRingFile.openOrCreate(
                path: configuration.data + "/keyring", root: key, now: clock.wall)
            return (
                file.ring,
                source.place + (isNew ? " (made now: keep a copy apart from the data)" : ""))
        } catch {
            throw StartupError(
                error.description, exitCode: StartupError.configurationExitCode)
        }
    }

    /// Where everything is, and a command to try.
    private func announce(_ keyPlace: String) {
        let text = """
            socket  \(configuration.socket)
            data    \(configuration.vaults.map { $0.place(in: configuration.data) }.joined(separator: ", "))
            key     \(keyPlace)
            try     printf s3cret | coffer store user1 conn1 --socket \(configuration.socket)

            """
        Console.output(text)
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
