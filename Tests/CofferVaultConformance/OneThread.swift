import Dispatch
import Glibc
import Synchronization

/// A thread that tasks run on, and the most processor time that one of them has taken of it without a pause. A reactor serves
/// other calls meanwhile.
package final class OneThread: TaskExecutor {
    private let queue = DispatchQueue(label: "one thread")
    private let longest = Mutex(Duration.zero)

    package init() {}

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async {
            let time = Self.time { unsafe job.runSynchronously(on: self.asUnownedTaskExecutor()) }
            self.longest.withLock { $0 = max($0, time) }
        }
    }

    package var longestJob: Duration { longest.withLock { $0 } }

    /// The processor time that `work` takes: others on the machine do not lengthen it.
    package static func time(_ work: () -> Void) -> Duration {
        let begin = now
        work()
        return now - begin
    }

    private static var now: Duration {
        var time = timespec()
        unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}
