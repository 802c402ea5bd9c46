package import CofferCore

/// Calls that wait for a place, first come first served, each until its own
/// deadline.
package struct AdmissionQueue: Sendable {
    /// Who waits: a number that means something to whoever gave it.
    package struct Waiter: Hashable, Sendable {
        package let id: UInt64
        package let since: BootInstant
        package let deadline: BootInstant

        package init(id: UInt64, since: BootInstant, deadline: BootInstant) {
            self.id = id
            self.since = since
            self.deadline = deadline
        }
    }

    package let capacity: Int
    // What stands before `head` has left. Removing from the front costs little this way.
    private var waiters: [Waiter] = []
    private var head = 0
    /// Nobody's time is over before this; somebody's may be later than it, as who
    /// has left still counts until the next look.
    package private(set) var earliestDeadline: BootInstant?

    package init(capacity: Int) { self.capacity = capacity }

    package var count: Int { waiters.count - head }
    package var isEmpty: Bool { count == 0 }

    /// False if the queue is full.
    package mutating func append(_ waiter: Waiter) -> Bool {
        guard count < capacity else { return false }
        waiters.append(waiter)
        earliestDeadline = min(earliestDeadline ?? waiter.deadline, waiter.deadline)
        return true
    }

    package mutating func popFirst() -> Waiter? {
        guard head < waiters.count else { return nil }
        let first = waiters[head]
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
        waiters.remove(at: index)
        if isEmpty { earliestDeadline = nil }
        return true
    }

    /// Takes out whose time is over at `now`, in their order.
    package mutating func removeExpired(at now: BootInstant) -> [Waiter] {
        guard let earliestDeadline, earliestDeadline <= now else { return [] }
        let waiting = waiters[head...]
        let expired = waiting.filter { $0.deadline <= now }
        waiters = waiting.filter { $0.deadline > now }
        head = 0
        self.earliestDeadline = waiters.lazy.map(\.deadline).min()
        return expired
    }

    /// Takes everybody out, in their order.
    package mutating func removeAll() -> [Waiter] {
        defer {
            waiters = []
            head = 0
            earliestDeadline = nil
        }
        return Array(waiters[head...])
    }
}
