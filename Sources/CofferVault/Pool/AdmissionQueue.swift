package import CofferCore

/// Calls that wait for a place, first come first served, each until its own
/// deadline.
package struct AdmissionQueue: Sendable {
    /// Who waits: a number that means something to whoever gave it.
    package struct Waiter: Hashable, Sendable {
        package let id: UInt64
        package let since: BootInstant
        package let deadline: BootInstant
        /// Whose share of the queue it takes; nil = nobody's.
        package let uid: UInt32?

        package init(id: UInt64, since: BootInstant, deadline: BootInstant, uid: UInt32? = nil) {
            self.id = id
            self.since = since
            self.deadline = deadline
            self.uid = uid
        }
    }

    package let capacity: Int
    /// How many of one uid may wait.
    package let share: Int
    private var waitingByUID: [UInt32: Int] = [:]
    // What stands before `head` has left. Removing from the front costs little this way.
    private var waiters: [Waiter] = []
    private var head = 0
    /// Nobody's time is over before this; somebody's may be later than it, as who
    /// has left still counts until the next look.
    package private(set) var earliestDeadline: BootInstant?

    /// - Parameter share: how many of one uid may wait; nil = as many as there may be.
    package init(capacity: Int, share: Int? = nil) {
        self.capacity = capacity
        self.share = share ?? capacity
    }

    /// Whether one more of this uid may wait.
    package func hasRoom(for uid: UInt32?) -> Bool {
        count < capacity && (uid.map { waitingByUID[$0, default: 0] } ?? 0) < share
    }

    private mutating func noteLeft(_ waiter: Waiter) {
        guard let uid = waiter.uid else { return }
        let others = waitingByUID[uid, default: 1] - 1
        waitingByUID[uid] = others > 0 ? others : nil
    }

    package var count: Int { waiters.count - head }
    package var isEmpty: Bool { count == 0 }

    /// False if the queue, or the waiter's share of it, is full.
    package mutating func append(_ waiter: Waiter) -> Bool {
        guard hasRoom(for: waiter.uid) else { return false }
        waiters.append(waiter)
        if let uid = waiter.uid { waitingByUID[uid, default: 0] += 1 }
        earliestDeadline = min(earliestDeadline ?? waiter.deadline, waiter.deadline)
        return true
    }

    package mutating func popFirst() -> Waiter? {
        guard head < waiters.count else { return nil }
        let first = waiters[head]
        noteLeft(first)
        head += 1
        if head * 2 > waiters.count {
            waiters.removeFirst(head)
            head = 0
        }
        if isEmpty { earliestDeadline = nil }
        return first
    }

    /// True if it was waiting.
    package mutating func remove(_ id: UInt64) -> Bool {
        guard let index = waiters[head...].firstIndex(where: { $0.id == id }) else { return false }
        noteLeft(waiters.remove(at: index))
        if isEmpty { earliestDeadline = nil }
        return true
    }

    /// Takes out whose time is over at `now`, in their order.
    package mutating func removeExpired(at now: BootInstant) -> [Waiter] {
        guard let earliestDeadline, earliestDeadline <= now else { return [] }
        let waiting = waiters[head...]
        let expired = waiting.filter { $0.deadline <= now }
        expired.forEach { noteLeft($0) }
        waiters = waiting.filter { $0.deadline > now }
        head = 0
        self.earliestDeadline = waiters.lazy.map(\.deadline).min()
        return expired
    }

    /// Takes everybody out, in their order.
    package mutating func removeAll() -> [Waiter] {
        defer {
            waiters = []
            waitingByUID = [:]
            head = 0
            earliestDeadline = nil
        }
        return Array(waiters[head...])
    }
}
