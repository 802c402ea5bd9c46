import Glibc

/// How many descriptors the process may have.
enum DescriptorLimit {
    /// Kept back from connections: for the database, the log and what starts a stop.
    static let reserve = 64

    /// Raises the limit as far as it may be raised.
    ///
    /// - Returns: how many connections that leaves room for.
    static func raise() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return reserve }
        limit.rlim_cur = limit.rlim_max
        // Whether it could be raised or not, what is in force afterwards counts.
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return max(16, Int(clamping: limit.rlim_cur) - reserve)
    }
}
