internal import CLinux
internal import Glibc

/// A connected socket; every call on it says itself that it must not wait.
func openSocket(_ path: String) throws(LoadError) -> Int32 {
    let descriptor = coffer_unix_connect(path)
    guard descriptor >= 0 else { throw .system("cannot connect to \(path)") }
    return descriptor
}

/// As many descriptors as this process may have at all; the echo inherits it.
func raiseDescriptorLimit() {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}

@inline(__always)
func monotonicNanoseconds() -> UInt64 {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return UInt64(now.tv_sec) &* 1_000_000_000 &+ UInt64(now.tv_nsec)
}
