package import CofferCore
import Synchronization

/// How much of one grant one uid uses, on all of its connections.
package final class GrantUsage: Sendable {
    package let limits: GrantLimits
    /// When the bucket is full again, in nanoseconds of the clock that counts from boot.
    private let fullAt = Atomic<UInt64>(0)
    private let inFlight = Atomic<Int>(0)
    /// How many grants of callers have it.
    private let holders = Atomic<Int>(0)

    package init(_ limits: GrantLimits) { self.limits = limits }

    /// Takes a token for one record.
    ///
    /// - Returns: nil if there was one, or no rate is set; else the nanoseconds until there will be one.
    package func take(now: BootInstant) -> UInt64? {
        guard let rate = limits.rate else { return nil }
        var known = fullAt.load(ordering: .relaxed)
        while true {
            switch rate.take(fullAt: BootInstant(nanoseconds: known), now: now) {
            case .wait(let nanoseconds): return nanoseconds
            case .taken(let next):
                let (exchanged, original) = fullAt.weakCompareExchange(
                    expected: known, desired: next.nanoseconds, ordering: .relaxed)
                if exchanged { return nil }
                known = original
            }
        }
    }

    /// Counts a call that is about to wait for a vault; ``leave()`` ends it.
    ///
    /// - Returns: false if as many wait as may: the call is not counted then.
    package func enter() -> Bool {
        var waiting = inFlight.load(ordering: .relaxed)
        while limits.inFlight.map({ waiting < $0 }) ?? true {
            let (exchanged, original) = inFlight.weakCompareExchange(
                expected: waiting, desired: waiting + 1, ordering: .relaxed)
            if exchanged { return true }
            waiting = original
        }
        return false
    }

    /// Ends what ``enter()`` has counted.
    package func leave() { inFlight.subtract(1, ordering: .relaxed) }

    fileprivate func hold() { holders.add(1, ordering: .relaxed) }

    func release() { holders.subtract(1, ordering: .releasing) }

    /// Whether nobody has it, and it says no more than a new one would.
    fileprivate func isSpare(now: BootInstant) -> Bool {
        holders.load(ordering: .acquiring) == 0 && inFlight.load(ordering: .relaxed) == 0
            && fullAt.load(ordering: .relaxed) <= now.nanoseconds
    }
}

/// The usage of all grants that have limits, by grant and uid: a caller that connects again, or whose policy is loaded
/// again, goes on with what it has used.
package final class UsageLedger: Sendable {
    private struct Key: Hashable {
        let rule: String
        let limits: GrantLimits
        let uid: UInt32
    }

    private struct Book {
        var usages: [Key: GrantUsage] = [:]
        /// How many there may be before the spare ones go.
        var sweepAt = 1_024
    }

    private let book = Mutex(Book())

    package init() {}

    /// The usage of a rule by a uid, which the asker holds until it calls `release`. A rule with other limits than
    /// before begins with a full bucket.
    func usage(of rule: String, _ limits: GrantLimits, uid: UInt32, now: BootInstant) -> GrantUsage {
        book.withLock { book in
            let key = Key(rule: rule, limits: limits, uid: uid)
            if let usage = book.usages[key] {
                usage.hold()
                return usage
            }
            if book.usages.count >= book.sweepAt {
                book.usages = book.usages.filter { !$0.value.isSpare(now: now) }
                book.sweepAt = max(1_024, 2 * book.usages.count)
            }
            let usage = GrantUsage(limits)
            usage.hold()
            book.usages[key] = usage
            return usage
        }
    }

    /// How many usages are kept.
    package var count: Int { book.withLock { $0.usages.count } }
}
