import Glibc

/// What this process was started with and changes for itself: which signals are blocked or ignored, and how large a
/// core may be. A program that takes its place gets it back.
package struct InheritedState: Sendable {
    private let mask: sigset_t
    private let ignored: [Int32]
    private let core: rlimit
    /// Standard streams that were closed, and that `StandardStream.prepare` holds open.
    private let closedStreams: [Int32]

    /// Looks. To be made before anything is changed.
    package init() {
        var (mask, core) = (sigset_t(), rlimit())
        pthread_sigmask(SIG_SETMASK, nil, &mask)
        getrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &core)
        (self.mask, self.core) = (mask, core)
        ignored = (1..<32).filter { number in
            var action = sigaction()
            guard sigaction(number, nil, &action) == 0 else { return false }
            return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
        }
        closedStreams = (0...2).filter { fcntl($0, F_GETFD) == -1 }
    }

    /// For the calling thread, and for the program that it executes next.
    func restore() {
        for number in [SIGPIPE, SIGQUIT] { signal(number, ignored.contains(number) ? SIG_IGN : SIG_DFL) }
        for descriptor in closedStreams { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        var (mask, core) = (mask, core)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &core)
        pthread_sigmask(SIG_SETMASK, &mask, nil)
    }
}
