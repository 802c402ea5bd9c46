import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultKit
import Dispatch
import Synchronization
import Testing

@testable import CofferCloudflare

/// A thread that tasks run on, and the longest time that one of them has had it for.
private final class OneThread: TaskExecutor {
    private let queue = DispatchQueue(label: "one thread")
    private let longest = Mutex(Duration.zero)

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async {
            let begin = ContinuousClock.now
            job.runSynchronously(on: self.asUnownedTaskExecutor())
            let time = ContinuousClock.now - begin
            self.longest.withLock { $0 = max($0, time) }
        }
    }

    var longestJob: Duration { longest.withLock { $0 } }
}

@Suite(.timeLimit(.minutes(1))) struct LargeAnswerTests {
    /// A reactor serves other calls meanwhile.
    @Test func aLargeAnswerDoesNotKeepTheThreadOfTheCall() async throws {
        let fixture = CloudflareFixture()
        let keys = try (0..<100).map { try fixture.key("u", "c\($0)") }
        let value = JSON.object([("value", .string(#"{"a":""# + String(repeating: "x", count: 40_000) + #""}"#)), ("metadata", .null)])
        let values = keys.map { key in (name: "connectors:u:\(key.key.connection)", value: value) }
        let body = JSON.object([("success", .bool(true)), ("result", .object([("values", .object(values))]))])
        fixture.fake.plan("POST bulk/get", .response(HTTPResponse(status: 200, body: body.encode())))
        let (vault, deadline, thread) = (fixture.vault(), fixture.deadline, OneThread())
        let begin = ContinuousClock.now
        let found = await Task(executorPreference: thread) { await vault.readMany(keys, deadline: deadline) }.value
        let time = ContinuousClock.now - begin
        #expect(found.allSatisfy { (try? $0.get())?.payload.count == 40_008 })
        #expect(thread.longestJob < time / 3, "\(thread.longestJob) of \(time)")
    }
}
