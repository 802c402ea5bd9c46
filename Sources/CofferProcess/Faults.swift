import Glibc

/// What is left of a program that ends by a fault.
package enum Faults {
    /// Signals of a fault end the process and do no more: Swift's own handlers would show
    /// registers and what they point to, and a core has all of its memory.
    package static func endQuietly() {
        for fault in [SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGQUIT, SIGSEGV, SIGTRAP] { signal(fault, SIG_DFL) }
        // The most that is allowed stays: a program started in this one's place gets back what it had.
        var core = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &core)
        core.rlim_cur = 0
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &core)
    }
}
