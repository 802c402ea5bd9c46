import CofferCore
import Dispatch
import Logging
import Synchronization

/// Reads the configuration again when it is asked to, and has the components take what is new in it:
/// on a thread of its own, one reload at a time.
///
/// However often it is asked before a reload has begun, there is one; and one more if it is asked
/// while there is one, as that may have read the file already.
final class Reloader: Component {
    typealias Load = @Sendable () throws(ConfigurationErrors) -> Configuration

    /// From one reload to the next: a storm of signals is not to fill the log.
    private static let pause = DispatchTimeInterval.milliseconds(100)

    /// After which a reload that is under way is said to hang.
    private static let patience = Duration.seconds(5)

    private struct State {
        var isAsked = false
        var isClosed = false
        /// When the reload began that is under way.
        var since: BootInstant?
    }

    private let load: Load
    private let check: @Sendable (Configuration) throws(StartupError) -> Void
    private let apply: @Sendable (Configuration) -> ReloadOutcome
    private let inForce: Mutex<Configuration>
    private let clock: any Clock
    private let log: Logger
    private let state = Mutex(State())
    private let wake = DispatchSemaphore(value: 0)
    private let closing = DispatchSemaphore(value: 0)

    /// - Parameters:
    ///   - configuration: what is in force now.
    ///   - load: reads the configuration again.
    ///   - check: finds what the host does not allow of a configuration.
    ///   - apply: reloads the components.
    init(
        _ configuration: Configuration, load: @escaping Load,
        check: @escaping @Sendable (Configuration) throws(StartupError) -> Void,
        apply: @escaping @Sendable (Configuration) -> ReloadOutcome, clock: any Clock, log: Logger
    ) {
        inForce = Mutex(configuration)
        self.load = load
        self.check = check
        self.apply = apply
        self.clock = clock
        self.log = log
    }

    func start() throws(StartupError) { try DaemonThread.start("coffer-reload") { self.run() } }

    /// Has the configuration reloaded soon; at the start if it does not run yet, and never once it drains. Does not block.
    func request() {
        let now = clock.boot
        let (isFirst, hangs) = state.withLock { state in
            guard !state.isClosed else { return (false, false) }
            defer { state.isAsked = true }
            return (!state.isAsked, state.since.map { $0 + Self.patience < now } ?? false)
        }
        if isFirst { wake.signal() }
        if hangs {
            log.warning("a reload is still under way: a file system does not answer; the next reload begins after it")
        }
    }

    /// No reload begins after this. One that is under way, in a file system that hangs perhaps, is not waited for.
    func drain() {
        state.withLock { $0.isClosed = true }
        wake.signal()
        closing.signal()
    }

    private func run() {
        while true {
            wake.wait()
            let now = clock.boot
            let isOver = state.withLock { state in
                state.isAsked = false
                state.since = now
                return state.isClosed
            }
            if isOver { return }
            reload()
            state.withLock { $0.since = nil }
            _ = closing.wait(timeout: .now() + Self.pause)
        }
    }

    /// One reload, on the calling thread.
    func reload() {
        let new: Configuration
        do throws(ConfigurationErrors) {
            new = try load()
        } catch {
            for mistake in error.errors { refuse("\(mistake)") }
            return
        }
        let change = ConfigurationChange(from: inForce.withLock { $0 }, to: new)
        do throws(StartupError) {
            try check(change.configuration)
        } catch {
            return refuse(error.message)
        }
        inForce.withLock { $0 = change.configuration }
        tell(change, apply(change.configuration))
    }

    private func refuse(_ why: String) {
        log.error("the configuration was not reloaded: the one in force stays", metadata: ["cause": "\(why)"])
    }

    private func tell(_ change: ConfigurationChange, _ outcome: ReloadOutcome) {
        var metadata: Logger.Metadata = [:]
        metadata["settings"] = Self.list(change.reloaded)
        metadata["files"] = Self.list(outcome.reread)
        // What could not be read again may well have changed.
        let nothing = metadata.isEmpty && outcome.failures.isEmpty ? ": nothing to change while it runs" : ""
        log.notice("reloaded the configuration\(nothing)", metadata: metadata)
        if let settings = Self.list(change.needRestart) {
            log.warning("settings have changed that need a restart", metadata: ["settings": settings])
        }
        for failure in outcome.failures {
            log.error("not reloaded: what was read before stays in use", metadata: ["cause": "\(failure)"])
        }
    }

    private static func list(_ texts: [String]) -> Logger.MetadataValue? {
        texts.isEmpty ? nil : "\(texts.joined(separator: ", "))"
    }
}
