import CLinux
import CofferCore
import Dispatch
import Glibc

/// What the host must let the process have. A limit that is too low would end it, or leave
/// it hanging, wherever it is met: the start refuses it instead.
enum ProcessLimits {
    /// Address space beside what the configuration lets the daemon hold: mostly what threads
    /// reserve, and never touch. For up to seventeen threads.
    private static let addressBytes = 864 << 20
    /// What each thread more reserves for its stack, rounded up.
    private static let addressBytesOfThread = 3 << 20
    /// Of malloc's regions. There would be eight for each processor, more than the address space above.
    private static let arenas: Int32 = 8
    /// The same of memory that can be written to.
    private static let dataBytes = 256 << 20
    /// The database with its log and locks, the socket, the reactors, files that are read.
    private static let descriptors = DescriptorLimit.reserve

    /// - Parameters:
    ///   - held: bytes that cache and buffers may have by the configuration.
    ///   - threads: that the daemon will have, at most.
    /// - Throws: which limit is too low, and what it must be.
    static func check(held: Int, threads: Int) throws(StartupError) {
        _ = coffer_bound_arenas(arenas)
        try checkMemory(held: held, threads: threads)
        try check(RLIMIT_NOFILE, "open files", descriptors, "ulimit -Hn, LimitNOFILE")
        try checkThreads(threads)
    }

    /// The same of memory alone.
    static func checkMemory(held: Int, threads: Int) throws(StartupError) {
        try check(
            RLIMIT_AS, "bytes of address space", addressBytes + held + max(0, threads - 17) * addressBytesOfThread, "ulimit -v, LimitAS; MemoryMax bounds what is used")
        try check(RLIMIT_DATA, "bytes of data", dataBytes + held, "ulimit -d, LimitDATA; MemoryMax bounds what is used")
    }

    private static func check(
        _ name: __rlimit_resource, _ what: String, _ minimum: Int, _ advice: String
    ) throws(StartupError) {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(name.rawValue), &limit) == 0 else { return }
        // Descriptors are raised as far as they may be; memory is limited as it is meant.
        let possible = name == RLIMIT_NOFILE ? limit.rlim_max : limit.rlim_cur
        guard possible < rlim_t(minimum) else { return }
        throw StartupError(
            "the process may have \(possible) \(what), expected at least \(minimum); raise the limit (\(advice))",
            exitCode: StartupError.configurationExitCode)
    }

    /// Starts as many threads as there will be, and ends them again: Swift's own pool would
    /// wait for one that never comes, without a word.
    private static func checkThreads(_ count: Int) throws(StartupError) {
        let gate = DispatchSemaphore(value: 0)
        var threads: [WorkerThread] = []
        defer {
            for _ in threads { gate.signal() }
            // Not before the last has ended could a real one have its place.
            for thread in threads { thread.join() }
        }
        while threads.count < count {
            do throws(Failure) {
                threads.append(try WorkerThread(name: "coffer-limit") { gate.wait() })
            } catch {
                throw StartupError(
                    "\(error.message); \(threads.count + 1) threads are possible, expected \(count + 1)",
                    exitCode: StartupError.configurationExitCode)
            }
        }
    }
}
