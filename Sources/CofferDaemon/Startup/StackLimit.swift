import CLinux
import Glibc

/// How much stack threads have: by default as much as the limit of the process says,
/// which may be too little.
enum StackLimit {
    /// Deeper than any thread of ours goes, with room to spare.
    static let threadBytes = 2 << 20
    private static let minimumBytes = 1 << 20

    /// Raises the main thread's as far as it may be raised, and gives later threads theirs.
    ///
    /// - Throws: when that is too little to run.
    static func raise() throws(StartupError) {
        var limit = rlimit()
        let stack = __rlimit_resource_t(RLIMIT_STACK.rawValue)
        // A limit that the system does not say is judged by what happens.
        if getrlimit(stack, &limit) == 0, limit.rlim_cur < rlim_t(minimumBytes) {
            limit.rlim_cur = min(limit.rlim_max, rlim_t(8 << 20))
            guard limit.rlim_cur >= rlim_t(minimumBytes), setrlimit(stack, &limit) == 0 else {
                throw StartupError(
                    "the stack may have \(limit.rlim_max) bytes, expected at least \(minimumBytes); "
                        + "raise the limit (ulimit -s, LimitSTACK)",
                    exitCode: StartupError.configurationExitCode)
            }
        }
        coffer_default_thread_stack(threadBytes)
    }
}
