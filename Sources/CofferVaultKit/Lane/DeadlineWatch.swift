package import CofferCore
internal import Dispatch
internal import Synchronization

/// Something with calls whose deadlines may pass.
package protocol DeadlineKeeper: AnyObject, Sendable {
    /// Answers what is late; returns the next deadline, nil if nothing waits.
    func expire(now: BootInstant) -> BootInstant?
}

/// A thread that ends calls when their time is over.
///
/// It sleeps until the earliest deadline it knows of, and is woken only for an
/// earlier one: callers with equal timeouts never wake it. The vault starts it, apart from the
/// threads that may be stuck: `WorkerThread(name: "…-watch") { watch.run() }.detach()`.
package final class DeadlineWatch: Sendable {
    private struct State {
        var keepers: [any DeadlineKeeper] = []
        /// The earliest deadline noted since the keepers were last asked.
        var noted = BootInstant.never
        /// When the thread wakes by itself; nil while it is awake.
        var sleepsUntil: BootInstant?
        var isClosed = false
    }

    /// Deadlines count time asleep and the semaphore does not: look again this
    /// often while calls wait.
    private static let longestSleep: UInt64 = 1_000_000_000

    private let clock: any Clock
    private let state = Mutex(State())
    private let wakeUp = DispatchSemaphore(value: 0)

    package init(clock: any Clock) { self.clock = clock }

    /// Before the keeper has its first call.
    package func add(_ keeper: any DeadlineKeeper) {
        state.withLock { $0.keepers.append(keeper) }
    }

    /// There is a new call with this deadline.
    package func note(_ deadline: BootInstant) {
        state.withLock { state in
            state.noted = min(state.noted, deadline)
            if let wakes = state.sleepsUntil, deadline < wakes { wake(&state) }
        }
    }

    /// Ends the thread; the calls of the keepers have no deadlines then.
    package func close() {
        state.withLock { state in
            state.isClosed = true
            // The keepers hold the watch.
            state.keepers = []
            if state.sleepsUntil != nil { wake(&state) }
        }
    }

    private func wake(_ state: inout State) {
        state.sleepsUntil = nil
        wakeUp.signal()
    }

    /// The thread's body; ends after `close`.
    package func run() {
        while true {
            let keepers = state.withLock { state in
                state.noted = .never
                return state.keepers
            }
            let next = keepers.compactMap { $0.expire(now: clock.boot) }.min() ?? .never
            let target: BootInstant? = state.withLock { state in
                if state.isClosed { return nil }
                state.sleepsUntil = min(next, state.noted)
                return state.sleepsUntil
            }
            guard let target else { return }
            sleep(until: target)
        }
    }

    private func sleep(until target: BootInstant) {
        guard target != .never else { return wakeUp.wait() }
        let now = clock.boot
        let nanoseconds = target > now ? target.nanoseconds - now.nanoseconds : 0
        let limit = DispatchTime.now() + .nanoseconds(Int(min(nanoseconds, Self.longestSleep)))
        guard wakeUp.wait(timeout: limit) == .timedOut else { return }
        let wasSignalled = state.withLock { state in state.sleepsUntil.take() == nil }
        if wasSignalled { wakeUp.wait() }
    }
}
