import Glibc

/// Signals taken by asking, not by handlers.
package enum Signals {
    private static let handled = [SIGTERM, SIGINT, SIGHUP]

    /// Before any thread is started: from now on they wait to be asked for.
    /// SIGPIPE is ignored for good.
    package static func block() {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in handled { sigaddset(&set, signal) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
        signal(SIGPIPE, SIG_IGN)
    }

    /// Signals of a fault end the process and do no more. Swift's own handlers would
    /// write registers, and what they point to, to the log.
    package static func endQuietlyAtFaults() {
        for fault in [SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGQUIT, SIGSEGV, SIGTRAP] { signal(fault, SIG_DFL) }
    }

    /// Waits for the word to stop. Blocks the thread.
    ///
    /// SIGHUP, as sent when a terminal goes, does not end the daemon.
    package static func waitForStop() -> Int32 {
        var set = sigset_t()
        sigemptyset(&set)
        for signal in handled { sigaddset(&set, signal) }
        while true {
            var received: Int32 = 0
            if sigwait(&set, &received) == 0 && received != SIGHUP { return received }
        }
    }
}
