package import CofferCore
internal import CofferVault
internal import Dispatch
internal import Synchronization

/// A call as its queue sees it, whatever it asks for.
package protocol LaneItem: AnyObject, Sendable {
    var deadline: BootInstant { get }
    /// Its deadline was so near from the beginning that missing it says nothing about the vault.
    var isHurried: Bool { get }
    /// What it counts for where calls are taken together.
    var weight: Int { get }
    /// It has its answer: from the thread that served it, or because its time was over.
    var isAnswered: Bool { get }

    /// Answers it, unless it was answered before.
    func fail(_ failure: Failure)
}

/// The calls of one lane: those that wait for a thread, those that threads have, and the threads that wait for calls.
///
/// It is generic over nothing: code of this module that is generic over the calls of another one looks their types up
/// at run time, again and again.
final class LaneQueue: DeadlineKeeper {
    typealias Taken = (items: [any LaneItem], weight: Int)

    private struct State {
        var waiting: [any LaneItem] = []
        /// With threads; those that are answered go when a thread comes back.
        var taken: [any LaneItem] = []
        /// Threads in `wait` that were not woken yet.
        var sleepers = 0
        var isClosed = false
    }

    private let vault: String
    private let clock: any Clock
    private let watch: DeadlineWatch
    private let capacity: Int
    private let state = Mutex(State())
    private let wakeUp = DispatchSemaphore(value: 0)
    /// `state.waiting.count`, to be looked at without the lock.
    private let waitingNow = Atomic(0)

    init(vault: String, clock: any Clock, watch: DeadlineWatch, capacity: Int) {
        self.vault = vault
        self.clock = clock
        self.watch = watch
        self.capacity = capacity
        watch.add(self)
    }

    /// Calls that no thread has taken yet.
    var waitingCount: Int { waitingNow.load(ordering: .relaxed) }

    /// Closed, with nothing left to take.
    var isDrained: Bool { state.withLock { $0.isClosed && $0.waiting.isEmpty } }

    /// Takes a call in, or answers it at once with the reason why not.
    func enqueue(_ item: any LaneItem) {
        guard clock.boot < item.deadline else { return item.fail(.notBegun(vault: vault)) }
        let refusal: Failure? = state.withLock { state in
            if state.isClosed { return .closed(vault: vault) }
            if state.waiting.count >= capacity { return .queueFull(vault: vault, capacity: capacity) }
            state.waiting.append(item)
            waitingNow.store(state.waiting.count, ordering: .relaxed)
            if state.sleepers > 0 { wake(&state) }
            return nil
        }
        if let refusal { return item.fail(refusal) }
        watch.note(item.deadline)
    }

    /// Takes a call back that no thread has taken yet, and answers it.
    func revoke(_ item: any LaneItem) {
        let isRevoked = state.withLock { state in
            guard let place = state.waiting.firstIndex(where: { $0 === item }) else { return false }
            state.waiting.remove(at: place)
            waitingNow.store(state.waiting.count, ordering: .relaxed)
            return true
        }
        if isRevoked { item.fail(.revoked(vault: vault)) }
    }

    private func wake(_ state: inout State) {
        state.sleepers -= 1
        wakeUp.signal()
    }

    /// See ``Lane/wait(nanoseconds:)``.
    func wait(nanoseconds: UInt64?) {
        let ready = state.withLock { state in
            state.taken.removeAll { $0.isAnswered }
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

    func nudge() {
        state.withLock { state in if state.sleepers > 0 { wake(&state) } }
    }

    /// See ``Lane/take(atMost:limit:)``.
    func take(atMost count: Int, limit: Int) -> Taken {
        let now = clock.boot
        let (items, weight, late): ([any LaneItem], Int, [any LaneItem]) = state.withLock { state in
            state.taken.removeAll { $0.isAnswered }
            if state.waiting.isEmpty { return ([], 0, []) }
            let late = Self.removeLate(&state.waiting, now)
            let (fitting, weight) = Self.fitting(state.waiting, atMost: count, limit: limit)
            // The usual case: all of them, without a copy.
            var items = state.waiting
            if fitting == items.count {
                state.waiting = []
                state.waiting.reserveCapacity(items.count)
            } else {
                items.removeLast(items.count - fitting)
                state.waiting.removeFirst(fitting)
            }
            waitingNow.store(state.waiting.count, ordering: .relaxed)
            state.taken += items
            return (items, weight, late)
        }
        for item in late { item.fail(.notBegun(vault: vault)) }
        return (items, weight)
    }

    /// How many from the first on stay within a limit, and their weight. One does in any case.
    private static func fitting(
        _ items: [any LaneItem], atMost count: Int, limit: Int
    ) -> (count: Int, weight: Int) {
        var sum = 0
        var fitting = 0
        for item in items.prefix(count) {
            let more = sum + item.weight
            guard fitting == 0 || more <= limit else { break }
            sum = more
            fitting += 1
        }
        return (fitting, sum)
    }

    func close() {
        state.withLock { state in
            state.isClosed = true
            while state.sleepers > 0 { wake(&state) }
        }
    }

    /// For the watch.
    func expire(now: BootInstant) -> BootInstant? {
        let (unbegun, begun, next) = state.withLock { state in
            state.taken.removeAll { $0.isAnswered }
            let unbegun = Self.removeLate(&state.waiting, now)
            let begun = Self.removeLate(&state.taken, now)
            waitingNow.store(state.waiting.count, ordering: .relaxed)
            let next = (state.waiting + state.taken).map(\.deadline).min()
            return (unbegun, begun, next)
        }
        for item in unbegun { item.fail(.notBegun(vault: vault)) }
        for item in begun {
            var failure = Failure.deadlineExceeded(vault: vault)
            failure.hadLittleTime = item.isHurried
            item.fail(failure)
        }
        return next
    }

    private static func removeLate(_ items: inout [any LaneItem], _ now: BootInstant) -> [any LaneItem] {
        guard items.contains(where: { $0.deadline <= now }) else { return [] }
        let late = items.filter { $0.deadline <= now }
        items.removeAll { $0.deadline <= now }
        return late
    }
}
