import CLinux
import Glibc

/// Threads for what blocks: neither reactors nor Swift's pool may wait for a pipe or a
/// file system.
enum DaemonThread {
    private final class Body {
        let name: String
        let run: @Sendable () -> Void

        init(_ name: String, _ run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    /// Starts one that nobody joins.
    ///
    /// - Parameter name: as `ps -L` shows it, at most 15 bytes.
    /// - Throws: when the system gives none: the limit of processes is reached.
    static func start(_ name: String, _ run: @escaping @Sendable () -> Void) throws(StartupError) {
        let body = Unmanaged.passRetained(Body(name, run))
        var handle = pthread_t()
        let result = pthread_create(
            &handle, nil,
            { argument in
                let body = Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue()
                coffer_name_thread(body.name)
                body.run()
                return nil
            }, body.toOpaque())
        guard result == 0 else {
            body.release()
            throw StartupError(
                "cannot start the thread \(name): \(String(cString: strerror(result))); "
                    + "raise the limit of processes (ulimit -u, TasksMax)")
        }
        pthread_detach(handle)
    }
}
