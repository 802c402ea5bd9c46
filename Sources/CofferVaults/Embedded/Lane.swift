internal import CofferCore
internal import Dispatch
internal import Synchronization

/// Carries requests from tasks to threads that may block.
///
/// Bounded: what does not fit is refused. A call whose deadline passes is
/// answered at that moment, however long the thread is stuck in the disk.
final class Lane<Request: Sendable, Reply: Sendable>: DeadlineKeeper {
    typealias LaneCall = Call<Request, Reply>

    private struct State {
        var waiting: [LaneCall] = []
        var taken: [LaneCall] = []
        /// Threads in `wait`, and how many calls it takes to wake one.
        var sleepers = 0
        var wakeAt = 1
        var isClosed = false
    }

    private let vault: String
    private let clock: any Clock
    private let watch: DeadlineWatch
    private let capacity: Int
    private let state = Mutex(State())
    private let wakeUp = DispatchSemaphore(value: 0)

    init(vault: String, clock: any Clock, watch: DeadlineWatch, capacity: Int) {
        self.vault = vault
        self.clock = clock
        self.watch = watch
        self.capacity = capacity
        watch.add(self)
    }

    /// Hands the request to a thread and waits for the answer.
    ///
    /// - Throws: what the thread answered; DEADLINE_EXCEEDED; RESOURCE_EXHAUSTED
    ///   if too many wait; UNAVAILABLE once closed.
    func submit(_ request: Request, deadline: BootInstant) async throws(Failure) -> Reply {
        let outcome = await withCheckedContinuation { caller in
            enqueue(LaneCall(request, deadline: deadline, caller: caller))
        }
        return try outcome.get()
    }

    private func enqueue(_ call: LaneCall) {
        guard clock.boot < call.deadline else {
            return call.answer(.failure(.notBegun(vault: vault)))
        }
        let refusal: Failure? = state.withLock { state in
            if state.isClosed { return .closed(vault: vault) }
            if state.waiting.count >= capacity { return .queueFull(vault: vault, capacity: capacity) }
            state.waiting.append(call)
            if state.sleepers > 0, state.waiting.count >= state.wakeAt { wake(&state) }
            return nil
        }
        if let refusal { return call.answer(.failure(refusal)) }
        watch.note(call.deadline)
    }

    private func wake(_ state: inout State) {
        state.sleepers -= 1
        wakeUp.signal()
    }

    /// Blocks until `count` calls wait, the lane is closed, or the time is over.
    ///
    /// Only one thread at a time may wait for more than one call or with a limit.
    func wait(for count: Int = 1, nanoseconds: UInt64? = nil) {
        let ready = state.withLock { state in
            if state.waiting.count >= count || state.isClosed { return true }
            state.sleepers += 1
            state.wakeAt = count
            return false
        }
        if ready { return }
        guard let nanoseconds else { return wakeUp.wait() }
        let limit = DispatchTime.now() + .nanoseconds(Int(clamping: nanoseconds))
        guard wakeUp.wait(timeout: limit) == .timedOut else { return }
        let wasSignalled = state.withLock { state in
            if state.sleepers == 0 { return true }
            state.sleepers -= 1
            return false
        }
        if wasSignalled { wakeUp.wait() }
    }

    /// The next calls, in order of arrival, for the calling thread to answer;
    /// then it must call `finish`.
    ///
    /// - Parameters:
    ///   - count: the most calls.
    ///   - weight: of one call; the sum stays within `limit`, but for a single one.
    func take(
        atMost count: Int, weight: (Request) -> Int = { _ in 0 }, limit: Int = 0
    ) -> [LaneCall] {
        let now = clock.boot
        let (calls, late) = state.withLock { state in
            let late = Self.removeLate(&state.waiting, now)
            var sum = 0
            let calls = state.waiting.prefix(count).prefix { call in
                let isFirst = sum == 0
                sum += weight(call.request)
                return isFirst || sum <= limit
            }
            state.waiting.removeFirst(calls.count)
            state.taken.append(contentsOf: calls)
            return (Array(calls), late)
        }
        for call in late { call.answer(.failure(.notBegun(vault: vault))) }
        return calls
    }

    /// The calls are answered; their deadlines count no more.
    func finish(_ calls: [LaneCall]) {
        state.withLock { state in
            // The usual case: one thread, none of its calls late.
            if state.taken.count == calls.count { return state.taken.removeAll(keepingCapacity: true) }
            state.taken.removeAll { taken in calls.contains { $0 === taken } }
        }
    }

    var waitingCount: Int { state.withLock { $0.waiting.count } }

    /// Closed, with nothing left to take.
    var isDrained: Bool { state.withLock { $0.isClosed && $0.waiting.isEmpty } }

    /// Refuses new calls and wakes all threads, to do what is left and end.
    func close() {
        state.withLock { state in
            state.isClosed = true
            while state.sleepers > 0 { wake(&state) }
        }
    }

    func expire(now: BootInstant) -> BootInstant? {
        let (unbegun, begun, next) = state.withLock { state in
            let unbegun = Self.removeLate(&state.waiting, now)
            let begun = Self.removeLate(&state.taken, now)
            let next = (state.waiting + state.taken).map(\.deadline).min()
            return (unbegun, begun, next)
        }
        for call in unbegun { call.answer(.failure(.notBegun(vault: vault))) }
        for call in begun { call.answer(.failure(.deadlineExceeded(vault: vault))) }
        return next
    }

    private static func removeLate(_ calls: inout [LaneCall], _ now: BootInstant) -> [LaneCall] {
        guard calls.contains(where: { $0.deadline <= now }) else { return [] }
        let late = calls.filter { $0.deadline <= now }
        calls.removeAll { $0.deadline <= now }
        return late
    }
}
