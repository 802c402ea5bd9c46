import Logging

/// The log: the thread that writes it, and the least level that it has.
final class LogComponent: Component {
    private let lines: LogQueue
    private let level: LogLevel
    private let log: Logger

    init(_ lines: LogQueue, _ level: LogLevel, _ log: Logger) {
        self.lines = lines
        self.level = level
        self.log = log
    }

    func start() throws(StartupError) { try lines.start() }

    func reload(_ configuration: Configuration) -> ReloadOutcome {
        level.current = configuration.logLevel
        return ReloadOutcome()
    }

    func stop() {
        log.info("stopped")
        flush()
    }

    func undo(after error: StartupError) { flush() }

    /// Whatever waits for what was logged waits no longer than that.
    private func flush() { lines.flush(milliseconds: 1_000) }
}
