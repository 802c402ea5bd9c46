package import CofferCore

/// Who waits for a flight: numbers that mean something to whoever gave them.
package enum CacheWaiter: Hashable, Sendable {
    /// A call of a reactor's, by its serial.
    case call(reactor: Int, serial: UInt64)
    /// A task of the daemon's own.
    case task(UInt64)
}

/// The right to ask the vault for one key, and to cache the answer if nothing
/// came between.
package struct FlightTicket: Sendable {
    package let id: UInt64
    package let key: RecordKey
    /// Nobody waits for it: an entry is being refreshed.
    package let isRefresh: Bool
    let hash: UInt64
    /// Whose share of the cache the answer counts against.
    package let uid: UInt32
    /// The fence as it stood when the flight set out.
    let fence: UInt64
    let startedAt: BootInstant
}

/// A flight and who waits for it.
struct Flight {
    struct Waiter {
        let token: CacheWaiter
        /// Milliseconds; nothing older may be given to it.
        let maximumAge: UInt64
    }

    let ticket: FlightTicket
    var waiters: [Waiter]
    /// Somebody has been asked to call `takeStale`.
    var isTimed = false

    var outOfPatience: BootInstant { ticket.startedAt + CacheConfiguration.patience }

    /// Takes out those for whom so old an answer will do.
    mutating func takeWaiters(content age: UInt64) -> [CacheWaiter] {
        let taken = waiters.compactMap { age <= $0.maximumAge ? $0.token : nil }
        waiters.removeAll { age <= $0.maximumAge }
        return taken
    }
}

/// What a miss leads to.
package enum CacheJoin: Sendable {
    /// It has come meanwhile, or must do.
    case hit(CacheHit)
    case absent
    /// Ask the vault, then `complete` the ticket; the waiter is on its list.
    ///
    /// `patience` is nil, or when to call `takeStale` with the ticket's id.
    case lead(FlightTicket, patience: BootInstant?)
    /// The waiter will be answered with the flight that is under way; as for it.
    case follow(flight: UInt64, patience: BootInstant?)
    /// Too many flights or waiters.
    case refused
}

/// How a flight ended.
package enum FlightOutcome: Sendable {
    case found(CachedValue)
    /// The vault said that there is no such record.
    case absent
    /// The vault said no, so what is cached must go.
    case refusedDefinitely
    /// The vault could not be asked, or not understood: what is cached may stand in.
    case failedTransiently
    /// The same, and nothing was sent to the vault: to ask again soon costs it nothing.
    case turnedAway
}

extension FlightOutcome {
    /// For how long after it a stale value is given without asking.
    package var recheckMilliseconds: UInt64 {
        switch self {
        case .turnedAway: CacheConfiguration.turnedAwayMilliseconds
        default: CacheConfiguration.recheckMilliseconds
        }
    }
}

/// Who gets what when a flight ends, or is given up on.
package struct CacheDelivery: Sendable {
    /// Those who get the outcome itself.
    package var waiters: [CacheWaiter] = []
    /// Those who get `stale` instead.
    package var servedStale: [CacheWaiter] = []
    package var stale: CacheHit?

    package init() {}
}

/// Made before a write goes to the vault, handed back after.
package struct WriteTicket: Sendable {
    package let key: RecordKey
    let hash: UInt64
    let uid: UInt32
    /// The fence after the write moved it.
    let fence: UInt64
    /// No other write to the key was under way then.
    let wasAlone: Bool
    let startedAt: BootInstant
}

/// How a write ended, as far as the cache cares.
package enum WriteOutcome: Sendable {
    /// The vault has it: this is what a Get finds from now on, or nil after a Delete.
    case acknowledged(CachedValue?)
    /// Surely nothing was written: what is cached is as good as it was.
    case notWritten
    /// Nobody knows, or the vault has something else than the caller thought: the next Get
    /// asks the vault, and only while that cannot answer is what is cached given, as stale.
    case uncertain
}
