import Glibc

/// Runs the tasks of one thread on that thread, in an order that a seed decides.
/// Most tasks of the service run on its reactor; this takes those that belong to
/// no thread, so that a run can be repeated.
///
/// While `claim` runs, whatever its thread gives to the global executor lands
/// here; other threads are left alone. The runtime's hook for that purpose is
/// the one that deterministic test schedulers use.
final class TaskQueue: SerialExecutor, @unchecked Sendable {
    // Used by the thread that claims only, hence Sendable.
    private typealias Enqueue = @convention(thin) (UnownedJob) -> Void
    private typealias Hook = @convention(thin) (UnownedJob, Enqueue) -> Void

    private var jobs: [UnownedJob] = []
    private var random = SplitMix(seed: 0)

    /// The queue of the calling thread.
    private static let claims: pthread_key_t = {
        var key = pthread_key_t()
        precondition(pthread_key_create(&key, nil) == 0, "no thread-local storage")
        installHook()
        return key
    }()

    private static func installHook() {
        guard let symbol = dlsym(nil, "swift_task_enqueueGlobal_hook") else {
            fatalError("the Swift runtime has no swift_task_enqueueGlobal_hook")
        }
        symbol.assumingMemoryBound(to: Hook?.self).pointee = { job, enqueue in
            guard let queue = pthread_getspecific(TaskQueue.claims) else { return enqueue(job) }
            Unmanaged<TaskQueue>.fromOpaque(queue).takeUnretainedValue().jobs.append(job)
        }
    }

    func claim(seed: UInt64, _ body: () -> Void) {
        random = SplitMix(seed: seed)
        let claims = Self.claims
        pthread_setspecific(claims, Unmanaged.passUnretained(self).toOpaque())
        defer { pthread_setspecific(claims, nil) }
        body()
        precondition(jobs.isEmpty, "tasks were left")
    }

    var isEmpty: Bool { jobs.isEmpty }

    /// Runs everything, and what comes of it.
    func runAll() {
        while !jobs.isEmpty {
            let index = random.below(jobs.count)
            jobs.swapAt(index, jobs.count - 1)
            jobs.removeLast().runSynchronously(on: asUnownedSerialExecutor())
        }
    }

    func enqueue(_ job: consuming ExecutorJob) { jobs.append(UnownedJob(job)) }
}
