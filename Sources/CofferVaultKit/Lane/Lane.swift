package import CofferCore
internal import CofferVault
internal import Synchronization

/// Carries requests to threads that may block, in a disk or in a C library: an adapter never does.
///
/// Bounded: what does not fit is refused. A call whose deadline passes is
/// answered at that moment, however long the thread is stuck. The vault starts the threads, in a
/// ``ThreadGroup``; each serves with ``serve(_:)``, or with ``wait(nanoseconds:)`` and ``take(atMost:limit:)``
/// where it joins calls.
package final class Lane<Request: Sendable, Reply: Sendable>: Sendable {
    package typealias Call = LaneCall<Request, Reply>
    /// Calls, and the sum of their weights.
    package typealias Taken = (calls: [Call], weight: Int)

    private let clock: any Clock
    private let patience: Duration
    private let queue: LaneQueue

    /// - Parameters:
    ///   - watch: whose thread ends calls in time.
    ///   - capacity: the most calls that wait for a thread.
    ///   - patience: a call that had less time than this, and ran out of it, says nothing about the vault. Zero for a
    ///     vault in the pool, which judges that itself.
    package init(
        vault: String, clock: any Clock, watch: DeadlineWatch, capacity: Int, patience: Duration = .zero
    ) {
        self.clock = clock
        self.patience = patience
        queue = LaneQueue(vault: vault, clock: clock, watch: watch, capacity: capacity)
    }

    // MARK: For callers

    /// Hands the request to a thread and waits for the answer.
    ///
    /// - Parameter weight: see ``take(atMost:limit:)``.
    /// - Throws: what the thread answered; DEADLINE_EXCEEDED; RESOURCE_EXHAUSTED
    ///   if too many wait; UNAVAILABLE once closed.
    package func submit(_ request: Request, weight: Int = 0, deadline: BootInstant) async throws(Failure) -> Reply {
        let outcome = await withCheckedContinuation { caller in
            submit(request, weight: weight, deadline: deadline, for: TaskCaller(caller))
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
                queue.enqueue(call)
                // The handler may have run before there was anything to take back.
                if Task.isCancelled { queue.revoke(call) }
            }
        } onCancel: {
            if let call = submitted.withLock({ $0 }) { queue.revoke(call) }
        }
        return try outcome.get()
    }

    /// Hands the request to a thread and returns. The caller gets what the other
    /// `submit` returns or throws.
    package func submit(
        _ request: Request, weight: Int = 0, deadline: BootInstant, for caller: any LaneCaller<Reply>
    ) {
        queue.enqueue(
            Call(request, weight: weight, deadline: deadline, isHurried: isHurried(deadline), caller: caller))
    }

    private func isHurried(_ deadline: BootInstant) -> Bool { deadline < clock.boot + patience }

    // MARK: For threads

    /// Blocks until a call waits, the lane is closed, or the time is over.
    ///
    /// Only a lane with one thread may be waited for with a limit.
    package func wait(nanoseconds: UInt64? = nil) { queue.wait(nanoseconds: nanoseconds) }

    /// Ends the `wait` of a thread that has something else to do.
    package func nudge() { queue.nudge() }

    /// The next calls, in order of arrival, for the calling thread to answer.
    ///
    /// - Parameters:
    ///   - count: the most calls.
    ///   - limit: within which the sum of their weights stays, but for a single one.
    package func take(atMost count: Int, limit: Int = .max) -> Taken {
        let (items, weight) = takeItems(atMost: count, limit: limit)
        let calls = items.map { item in
            guard let call = item as? Call else { preconditionFailure("a lane's queue holds its own calls") }
            return call
        }
        return (calls, weight)
    }

    /// The same for a caller that knows the calls' type, and so need not look it up at run time.
    package func takeItems(atMost count: Int, limit: Int) -> (items: [any LaneItem], weight: Int) {
        queue.take(atMost: count, limit: limit)
    }

    /// Calls that no thread has taken yet.
    package var waitingCount: Int { queue.waitingCount }

    /// Closed, with nothing left to take.
    package var isDrained: Bool { queue.isDrained }

    /// A thread's body: answers one call after another with `work`, which may block. Ends when the lane is closed
    /// and empty.
    package func serve(_ work: (Request) throws(Failure) -> Reply) {
        while !isDrained {
            wait()
            for call in take(atMost: 1).calls {
                call.answer(Result { () throws(Failure) in try work(call.request) })
            }
        }
    }

    /// Refuses new calls and wakes all threads, to do what is left and end.
    package func close() { queue.close() }

    /// For tests, whose clock no watch looks at: ends the calls that are late, as the watch does.
    package func expire() { _ = queue.expire(now: clock.boot) }
}
