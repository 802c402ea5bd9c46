@testable import Coffer
import Glibc
import Synchronization

@_silgen_name("fork") private func systemFork() -> pid_t

/// Runs tasks on the thread that calls `run`. Swift's own threads do not come
/// along to a child made by fork, so each process needs one of these.
final class LoopExecutor: TaskExecutor {
    private let jobs = Lock<[UnownedJob]>([])
    private let isStopped = Atomic(false)

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        jobs.withLock { $0.append(job) }
    }

    func stop() { isStopped.store(true, ordering: .releasing) }

    /// Until `stop`, or for that long.
    func run(atMost duration: Duration) {
        let end = ContinuousClock.now + duration
        while !isStopped.load(ordering: .acquiring), .now < end {
            let ready = jobs.withLock { jobs in
                defer { jobs = [] }
                return jobs
            }
            for job in ready { job.runSynchronously(on: asUnownedTaskExecutor()) }
            if ready.isEmpty { usleep(100) }
        }
    }
}

/// Forks again and again while calls are in flight, and uses the client in every
/// child too. Ends with 0 if everybody got the answers to their own questions.
@main
struct ForkProbe {
    static let children = 20
    static let callsOfAChild = 30

    static func main() {
        // Who started this may have had all signals blocked.
        var alarms = sigset_t()
        sigemptyset(&alarms)
        sigaddset(&alarms, SIGALRM)
        pthread_sigmask(SIG_UNBLOCK, &alarms, nil)
        alarm(50)
        let client = CofferClient(socketPath: CommandLine.arguments[1])
        let executor = LoopExecutor()
        let failures = Tally()
        // Each is under way when the process forks.
        for number in 0..<8 {
            Task(executorPreference: executor) {
                for round in 0... { await check(client, "parent-\(number)-\(round)", failures) }
            }
        }
        executor.run(atMost: .milliseconds(100))
        var processes: [pid_t] = []
        for number in 0..<children {
            executor.run(atMost: .milliseconds(3))
            let process = systemFork()
            if process == 0 { child(client, number) }
            processes.append(process)
        }
        executor.run(atMost: .milliseconds(100))
        for process in processes {
            var status: Int32 = 0
            if process < 0 || waitpid(process, &status, 0) != process || status != 0 { failures.add() }
        }
        _exit(failures.count == 0 ? 0 : 1)
    }

    private static func child(_ client: CofferClient<UnixSocketChannel>, _ number: Int) -> Never {
        alarm(20)
        let executor = LoopExecutor()
        let failures = Tally()
        Task(executorPreference: executor) {
            for round in 0..<callsOfAChild { await check(client, "child-\(number)-\(round)", failures) }
            client.close()
            executor.stop()
        }
        executor.run(atMost: .seconds(15))
        _exit(failures.count == 0 ? 0 : 1)
    }

    private static func check(
        _ client: CofferClient<UnixSocketChannel>, _ connection: String, _ failures: Tally
    ) async {
        do {
            let record = try await client.credential(user: "u", connection: connection)
            let text = record.credential.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
            if text != connection { failures.add() }
        } catch {
            failures.add()
        }
    }
}

/// How many calls failed, or had the answer to another one.
final class Tally: Sendable {
    private let failures = Atomic(0)

    var count: Int { failures.load(ordering: .acquiring) }

    func add() { failures.wrappingAdd(1, ordering: .acquiringAndReleasing) }
}
