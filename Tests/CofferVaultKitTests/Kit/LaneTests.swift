import CofferCore
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Synchronization
import Testing

@Suite struct LaneTests {
    private let clock = ManualClock()
    private let lane: Lane<Int, String>

    init() {
        lane = Lane(vault: "v", clock: clock, watch: DeadlineWatch(clock: clock), capacity: 8, patience: .seconds(1))
    }

    /// Keeps what it is told.
    private final class Listener: LaneCaller {
        private let outcomes = Mutex<[Result<String, Failure>]>([])
        var all: [Result<String, Failure>] { outcomes.withLock { $0 } }

        func accept(_ outcome: Result<String, Failure>) -> (on: any WorkQueue, work: any WorkItem)? {
            outcomes.withLock { $0.append(outcome) }
            return nil
        }
    }

    private func submit(_ request: Int, seconds: Int64 = 60) -> Listener {
        let listener = Listener()
        lane.submit(request, weight: request, deadline: clock.boot + .seconds(seconds), for: listener)
        return listener
    }

    private func take(_ count: Int, limit: Int = .max) -> [Int] {
        let (calls, weight) = lane.take(atMost: count, limit: limit)
        let requests = calls.map(\.request)
        #expect(weight == requests.reduce(0, +))
        return requests
    }

    @Test func callsAreTakenInOrderAndOnce() {
        for request in 1...5 { _ = submit(request) }
        #expect(lane.waitingCount == 5)
        #expect(take(2) == [1, 2])
        _ = submit(6)
        #expect(lane.waitingCount == 4)
        #expect(take(10) == [3, 4, 5, 6])
        #expect(take(10).isEmpty)
        #expect(lane.waitingCount == 0)
    }

    @Test func theSumOfWeightsIsLimitedButForOne() {
        for request in [3, 4, 5, 90, 1] { _ = submit(request) }
        #expect(take(10, limit: 7) == [3, 4])
        #expect(take(10, limit: 94) == [5])
        #expect(take(10, limit: 7) == [90])
        #expect(take(10, limit: 7) == [1])
    }

    @Test func whatDoesNotFitIsRefused() {
        for request in 1...8 { _ = submit(request) }
        let ninth = submit(9)
        #expect(ninth.all.count == 1)
        #expect(code(ninth) == .resourceExhausted)
        #expect(take(20) == Array(1...8))
    }

    /// What was taken by a thread is answered by it; what was not goes, and its place is free.
    @Test(.timeLimit(.minutes(1))) func aCancelledCallIsTakenBackUnlessItHasBegun() async {
        let tasks = (0..<8).map { request in
            Task { try? await lane.submitRevocably(request, deadline: clock.boot + .seconds(60)) }
        }
        while lane.waitingCount < 8 { await Task.yield() }
        let (begun, _) = lane.take(atMost: 3)
        for task in tasks { task.cancel() }
        while lane.waitingCount > 0 { await Task.yield() }
        for call in begun { call.answer(.success("\(call.request)")) }
        var answers: [String] = []
        for task in tasks { if let answer = await task.value { answers.append(answer) } }
        #expect(answers.sorted() == begun.map { "\($0.request)" }.sorted())
        // One whose task was cancelled before it came.
        let late = Task { () -> Bool in
            while !Task.isCancelled { await Task.yield() }
            return (try? await lane.submitRevocably(9, deadline: clock.boot + .seconds(60))) == nil
        }
        late.cancel()
        #expect(await late.value)
        #expect(lane.waitingCount == 0)
    }

    @Test func whoIsLateIsNotBegun() {
        let late = submit(1, seconds: 1)
        let other = submit(2)
        clock.advance(milliseconds: 2_000)
        #expect(take(10) == [2])
        #expect(code(late) == .deadlineExceeded)
        #expect(other.all.isEmpty)
    }

    /// Whoever gave little time alone is the cause; see `VaultLimits.patience`.
    @Test(arguments: [(1, false), (0, true)]) func aShortDeadlineSaysNothingOfTheDisk(seconds: Int64, isHurried: Bool) throws {
        let listener = Listener()
        lane.submit(1, deadline: clock.boot + .seconds(seconds) + .milliseconds(500), for: listener)
        _ = lane.take(atMost: 1)
        clock.advance(milliseconds: 2_000)
        lane.expire()
        let failure = #expect(throws: Failure.self) { try listener.all[0].get() }
        #expect(failure?.code == .deadlineExceeded && failure?.hadLittleTime == isHurried)
    }

    /// Two threads, both stuck: the deadline of one call ends its wait, and that its thread
    /// is done then does not end the watch over the other's.
    @Test func everyDeadlineIsKeptWhileThreadsAreStuck() {
        let first = submit(1, seconds: 1)
        let second = submit(2, seconds: 10)
        let firstTaken = lane.take(atMost: 1).calls
        let secondTaken = lane.take(atMost: 1).calls
        clock.advance(milliseconds: 2_000)
        lane.expire()
        #expect(code(first) == .deadlineExceeded)
        firstTaken[0].answer(.success("late"))
        clock.advance(milliseconds: 10_000)
        lane.expire()
        #expect(code(second) == .deadlineExceeded)
        secondTaken[0].answer(.success("late"))
        #expect(first.all.count == 1 && second.all.count == 1)
    }

    /// A credential is in it.
    @Test func aCallThatIsAnsweredIsLetGoWhenItsThreadComesBack() {
        _ = submit(1)
        _ = submit(2)
        weak var first: LaneCall<Int, String>?
        do {
            let calls = lane.take(atMost: 1).calls
            first = calls[0]
            calls[0].answer(.success("done"))
        }
        #expect(first != nil)
        lane.wait()
        #expect(first == nil)
    }

    @Test func aClosedLaneRefusesAndIsDrained() {
        _ = submit(1)
        lane.close()
        #expect(code(submit(2)) == .unavailable)
        #expect(!lane.isDrained)
        #expect(take(10) == [1])
        #expect(lane.isDrained)
    }

    private func code(_ listener: Listener) -> StatusCode? {
        if case .failure(let failure)? = listener.all.last { failure.code } else { nil }
    }
}
