package import CofferCore
internal import CofferVault
internal import Dispatch
internal import Synchronization

/// Carries requests to threads that may block, in a disk or in a C library: an adapter never does.
///
/// Bounded: what does not fit is refused. A call whose deadline passes is
/// answered at that moment, however long the thread is stuck. The vault starts the threads, in a
/// ``ThreadGroup``; each serves with ``serve(_:)``, or with ``wait(nanoseconds:)``, ``take(atMost:weight:limit:)``
/// and ``finish(_:)`` where it joins calls.
package final class Lane<Request: Sendable, Reply: Sendable>: DeadlineKeeper {
    package typealias Call = LaneCall<Request, Reply>
    /// Calls, and the sum of their weights.
    package typealias Taken = (calls: [Call], weight: Int)

    private struct State {
        var waiting: [Call] = []
        var taken: [Call] = []
        /// Threads in `wait` that were not woken yet.
        var sleepers = 0
        var isClosed = false

    }

    private let vault: String
    private let clock: any Clock
    private let watch: DeadlineWatch
    private let capacity: Int
    private let patience: Duration
    private let state = Mutex(State())
    private let wakeUp = DispatchSemaphore(value: 0)
    /// `state.waiting.count`, to be looked at without the lock.
    private let waitingNow = Atomic(0)

    /// - Parameters:
    ///   - watch: whose thread ends calls in time.
    ///   - capacity: the most calls that wait for a thread.
    ///   - patience: a call that had less time than this, and ran out of it, says nothing about the vault. Zero for a
    ///     vault in the pool, which judges that itself.
    package init(
        vault: String, clock: any Clock, watch: DeadlineWatch, capacity: Int, patience: Duration = .zero
    ) {
        self.vault = vault
        self.clock = clock
        self.watch = watch
        self.capacity = capacity
        self.patience = patience
        watch.add(self)
    }

    /// Hands the request to a thread and waits for the answer.
    ///
    /// - Throws: what the thread answered; DEADLINE_EXCEEDED; RESOURCE_EXHAUSTED
    ///   if too many wait; UNAVAILABLE once closed.
    package func submit(_ request: Request, deadline: BootInstant) async throws(Failure) -> Reply {
        let outcome = await withCheckedContinuation { caller in
            submit(request, deadline: deadline, for: TaskCaller(caller))
        }
        return try outcome.get()
    }

    /// The same; if the task is cancelled before a thread has taken the request, it is taken
    /// back and nothing is done.
    package func submitRevocably(_ request: Request, deadline: BootInstant) async throws(Failure) -> Reply {
        let submitted = Mutex<Call?>(nil)
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { caller in
                let call = Call(
                    request, deadline: deadline, isHurried: isHurried(deadline), caller: TaskCaller(caller))
                submitted.withLock { $0 = call }
                enqueue(call)
                // The handler may have run before there was anything to take back.
                if Task.isCancelled { revoke(call) }
            }
        } onCancel: {
            if let call = submitted.withLock({ $0 }) { revoke(call) }
        }
        return try outcome.get()
    }

    private func revoke(_ call: Call) {
        let isRevoked = state.withLock { state in
            guard let place = state.waiting.firstIndex(where: { $0 === call }) else { return false }
            state.waiting.remove(at: place)
            waitingNow.store(state.waiting.count, ordering: .relaxed)
            return true
        }
        if isRevoked { call.answer(.failure(.revoked(vault: vault))) }
    }

    /// Hands the request to a thread and returns. The caller gets what the other
    /// `submit` returns or throws.
    package func submit(_ request: Request, deadline: BootInstant, for caller: any LaneCaller<Reply>) {
        enqueue(Call(request, deadline: deadline, isHurried: isHurried(deadline), caller: caller))
    }

    private func isHurried(_ deadline: BootInstant) -> Bool { deadline < clock.boot + patience }

    private func enqueue(_ call: Call) {
        guard clock.boot < call.deadline else {
            return call.answer(.failure(.notBegun(vault: vault)))
        }
        let refusal: Failure? = state.withLock { state in
            if state.isClosed { return .closed(vault: vault) }
            if state.waiting.count >= capacity { return .queueFull(vault: vault, capacity: capacity) }
            state.waiting.append(call)
            waitingNow.store(state.waiting.count, ordering: .relaxed)
            if state.sleepers > 0 { wake(&state) }
            return nil
        }
        if let refusal { return call.answer(.failure(refusal)) }
        watch.note(call.deadline)
    }

    private func wake(_ state: inout State) {
        state.sleepers -= 1
        wakeUp.signal()
    }

    /// Blocks until a call waits, the lane is closed, or the time is over.
    ///
    /// Only a lane with one thread may be waited for with a limit.
    package func wait(nanoseconds: UInt64? = nil) {
        let ready = state.withLock { state in
            if !state.waiting.isEmpty || state.isClosed { return true }
            state.sleepers += 1
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

    /// Ends the `wait` of a thread that has something else to do.
    package func nudge() {
        state.withLock { state in if state.sleepers > 0 { wake(&state) } }
    }

    /// The next calls, in order of arrival, for the calling thread to answer;
    /// then it must call `finish`.
    ///
    /// - Parameters:
    ///   - count: the most calls.
    ///   - weight: of one call; the sum stays within `limit`, but for a single one.
    package func take(
        atMost count: Int, weight: (Request) -> Int = { _ in 0 }, limit: Int = .max
    ) -> Taken {
        let now = clock.boot
        let (calls, weight, late): ([Call], Int, [Call]) = state.withLock { state in
            if state.waiting.isEmpty { return ([], 0, []) }
            let late = Self.removeLate(&state.waiting, now)
            var sum = 0
            var fitting = 0
            for call in state.waiting.prefix(count) {
                let more = sum + weight(call.request)
                guard fitting == 0 || more <= limit else { break }
                sum = more
                fitting += 1
            }
            // The usual case: all of them, without a copy.
            var calls = state.waiting
            if fitting == calls.count {
                state.waiting = []
                state.waiting.reserveCapacity(calls.count)
            } else {
                calls.removeLast(calls.count - fitting)
                state.waiting.removeFirst(fitting)
            }
            waitingNow.store(state.waiting.count, ordering: .relaxed)
            if state.taken.isEmpty { state.taken = calls } else { state.taken += calls }
            return (calls, sum, late)
        }
        for call in late { call.answer(.failure(.notBegun(vault: vault))) }
        return (calls, weight)
    }

    /// The calls are answered; their deadlines count no more.
    package func finish(_ calls: [Call]) {
        state.withLock { state in
            // The usual case: one thread, none of its calls late.
            if state.taken.elementsEqual(calls, by: ===) { return state.taken = [] }
            state.taken.removeAll { taken in calls.contains { $0 === taken } }
        }
    }

    /// Calls that no thread has taken yet.
    package var waitingCount: Int { waitingNow.load(ordering: .relaxed) }

    /// Closed, with nothing left to take.
    package var isDrained: Bool { state.withLock { $0.isClosed && $0.waiting.isEmpty } }

    /// A thread's body: answers one call after another with `work`, which may block. Ends when the lane is closed
    /// and empty.
    package func serve(_ work: (Request) throws(Failure) -> Reply) {
        while !isDrained {
            wait()
            for call in take(atMost: 1).calls {
                call.answer(Result { () throws(Failure) in try work(call.request) })
                finish([call])
            }
        }
    }

    /// Refuses new calls and wakes all threads, to do what is left and end.
    package func close() {
        state.withLock { state in
            state.isClosed = true
            while state.sleepers > 0 { wake(&state) }
        }
    }

    /// For the watch.
    package func expire(now: BootInstant) -> BootInstant? {
        let (unbegun, begun, next) = state.withLock { state in
            let unbegun = Self.removeLate(&state.waiting, now)
            let begun = Self.removeLate(&state.taken, now)
            waitingNow.store(state.waiting.count, ordering: .relaxed)
            let next = (state.waiting + state.taken).map(\.deadline).min()
            return (unbegun, begun, next)
        }
        for call in unbegun { call.answer(.failure(.notBegun(vault: vault))) }
        for call in begun {
            var failure = Failure.deadlineExceeded(vault: vault)
            failure.hadLittleTime = call.isHurried
            call.answer(.failure(failure))
        }
        return next
    }

    private static func removeLate(_ calls: inout [Call], _ now: BootInstant) -> [Call] {
        guard calls.contains(where: { $0.deadline <= now }) else { return [] }
        let late = calls.filter { $0.deadline <= now }
        calls.removeAll { $0.deadline <= now }
        return late
    }
}
