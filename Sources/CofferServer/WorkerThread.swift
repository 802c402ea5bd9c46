import CLinux
import CofferCore
import Glibc

/// A thread of our own: for loops that block, which Swift's pool must not.
final class WorkerThread: @unchecked Sendable {
    // `handle` is written once, by init; join is called by one owner.
    private var handle = pthread_t()

    private final class Body {
        let name: String
        let run: () -> Void

        init(_ name: String, _ run: @escaping () -> Void) {
            self.name = name
            self.run = run
        }
    }

    init(name: String, _ run: sending @escaping () -> Void) throws(Failure) {
        let body = Unmanaged.passRetained(Body(name, run))
        let result = pthread_create(&handle, nil, { argument in
            let body = Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue()
            coffer_name_thread(body.name)
            body.run()
            return nil
        }, body.toOpaque())
        guard result == 0 else {
            body.release()
            throw .internalError("pthread_create failed with errno \(result)")
        }
    }

    func join() { pthread_join(handle, nil) }
}
