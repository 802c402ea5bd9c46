import CofferServer
import Dispatch
import Glibc
import Synchronization

/// Signals received synchronously (sigwait).
package enum Signals {
    private static let handled = [SIGTERM, SIGINT, SIGHUP]

    /// Before any thread is started: from now on they wait to be asked for.
    /// SIGPIPE is ignored for good, and so is SIGXFSZ: a file that may not grow is an
    /// error of the one who writes to it.
    package static func block() {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in handled { sigaddset(&set, signal) }
        // These fail for numbers that are no signals, and in no other case.
        pthread_sigmask(SIG_BLOCK, &set, nil)
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
    }

    /// First of all: a SIGHUP from now on waits until ``next()`` asks for it.
    package static func holdHangUp() {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGHUP)
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Waits for one of SIGTERM, SIGINT and SIGHUP. Blocks the thread.
    static func next() -> Int32 {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in handled { sigaddset(&set, signal) }
        while true {
            var received: Int32 = 0
            if sigwait(&set, &received) == 0 { return received }
        }
    }
}

/// Receives signals from the start on, on a thread of its own: SIGHUP, and the signal to stop. That one
/// ends the process within a set time, whatever the other threads are stuck in. After it none is received.
final class SignalWatch: Component {
    private struct State {
        var stop: Int32 = 0
        var patience: Int
    }

    /// After the drain, for the vaults to end what they are doing, in seconds.
    private static let closeSeconds = 10

    private let state: Mutex<State>
    private let arrival = DispatchSemaphore(value: 0)
    private let hangUp: @Sendable () -> Void
    private let giveUp: @Sendable (Int) -> Void

    /// Call `Signals.block` before.
    ///
    /// - Parameters:
    ///   - hangUp: called at each SIGHUP; must not block.
    ///   - giveUp: called when the stop has taken longer than so many seconds; ends the process.
    init(
        _ configuration: Configuration, hangUp: @escaping @Sendable () -> Void,
        giveUp: @escaping @Sendable (Int) -> Void
    ) {
        state = Mutex(State(patience: Self.patience(configuration)))
        self.hangUp = hangUp
        self.giveUp = giveUp
    }

    private static func patience(_ configuration: Configuration) -> Int {
        configuration.limits.drainSeconds + closeSeconds
    }

    func start() throws(StartupError) { try DaemonThread.start("coffer-signals") { self.receive() } }

    func reload(_ configuration: Configuration) -> ReloadOutcome {
        state.withLock { $0.patience = Self.patience(configuration) }
        return ReloadOutcome()
    }

    /// Waits for the signal to stop; returns which, or nil when it did not come in that time. Blocks
    /// the thread.
    func wait(seconds: Int) -> Int32? {
        guard arrival.wait(timeout: .now() + .seconds(seconds)) == .success else { return nil }
        return state.withLock { $0.stop }
    }

    private func receive() {
        var signal = Signals.next()
        while signal == SIGHUP {
            hangUp()
            signal = Signals.next()
        }
        let patience = state.withLock { state in
            state.stop = signal
            return state.patience
        }
        arrival.signal()
        var time = timespec(tv_sec: patience, tv_nsec: 0)
        var rest = timespec()
        while nanosleep(&time, &rest) != 0 && errno == EINTR { time = rest }
        giveUp(patience)
    }
}
