internal import CLinux
internal import Glibc

/// A thread of our own: for loops that block, which Swift's pool must not.
package final class WorkerThread: @unchecked Sendable {
    // `handle` is written once, by init; one owner calls join or detach.
    private var handle = pthread_t()

    private final class Body {
        let name: String
        let run: () -> Void

        init(_ name: String, _ run: @escaping () -> Void) {
            self.name = name
            self.run = run
        }
    }

    /// Starts it. Its owner calls ``join()`` or ``detach()``, once.
    ///
    /// - Parameter name: as `ps -L` shows it, at most 15 bytes.
    /// - Throws: RESOURCE_EXHAUSTED when the system gives none.
    package init(name: String, _ run: sending @escaping () -> Void) throws(Failure) {
        let body = Unmanaged.passRetained(Body(name, run))
        let result = pthread_create(&handle, nil, { argument in
            let body = Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue()
            coffer_name_thread(body.name)
            body.run()
            return nil
        }, body.toOpaque())
        guard result == 0 else {
            body.release()
            throw Failure(
                .resourceExhausted, .limit,
                "cannot start the thread \(name): \(String(cString: strerror(result))); "
                    + "raise the limit of processes (ulimit -u, TasksMax)")
        }
    }

    /// Waits until it has ended.
    package func join() { pthread_join(handle, nil) }

    /// Nobody will wait for it.
    package func detach() { pthread_detach(handle) }
}
