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

    /// Signals of a fault end the process and do no more. Swift's own handlers would
    /// write registers, and what they point to, to the log.
    package static func endQuietlyAtFaults() {
        for fault in [SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGQUIT, SIGSEGV, SIGTRAP] { signal(fault, SIG_DFL) }
    }

    /// Waits for SIGTERM or SIGINT. Blocks the thread.
    ///
    /// SIGHUP, as sent when a terminal goes, does not end the daemon.
    static func waitForStop() -> Int32 {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in handled { sigaddset(&set, signal) }
        while true {
            var received: Int32 = 0
            if sigwait(&set, &received) == 0 && received != SIGHUP { return received }
        }
    }
}

/// The signal to stop, received from the start on by a thread of its own. So it ends
/// the process within a set time, whatever the other threads are stuck in.
package final class StopSignal: Sendable {
    private let received = Mutex<Int32>(0)
    private let arrival = DispatchSemaphore(value: 0)

    /// Call it after `Signals.block`.
    ///
    /// - Parameters:
    ///   - patience: how long the process may take to stop.
    ///   - giveUp: called when it took longer; ends the process.
    /// - Throws: when the system gives no thread.
    package init(patience: Duration, giveUp: @escaping @Sendable () -> Void) throws(StartupError) {
        let (seconds, attoseconds) = patience.components
        try DaemonThread.start("coffer-signals") {
            let signal = Signals.waitForStop()
            self.received.withLock { $0 = signal }
            self.arrival.signal()
            var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
            var rest = timespec()
            while nanosleep(&time, &rest) != 0 && errno == EINTR { time = rest }
            giveUp()
        }
    }

    /// Waits for it; returns which, or nil when it did not come in that time. Blocks the
    /// thread.
    package func wait(seconds: Int) -> Int32? {
        guard arrival.wait(timeout: .now() + .seconds(seconds)) == .success else { return nil }
        return received.withLock { $0 }
    }
}
