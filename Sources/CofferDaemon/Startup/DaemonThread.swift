import CofferCore

/// Threads for what blocks: neither reactors nor Swift's pool may wait for a pipe or a
/// file system.
enum DaemonThread {
    /// Starts one that nobody joins.
    ///
    /// - Parameter name: as `ps -L` shows it, at most 15 bytes.
    /// - Throws: when the system gives none: the limit of processes is reached.
    static func start(_ name: String, _ run: @escaping @Sendable () -> Void) throws(StartupError) {
        do throws(Failure) {
            try WorkerThread(name: name, run).detach()
        } catch {
            throw StartupError(error.message)
        }
    }
}
