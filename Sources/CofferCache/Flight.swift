package import CofferCore

/// Who waits for a flight: numbers that mean something to whoever gave them.
package enum CacheWaiter: Hashable, Sendable {
    /// A call on a connection of a reactor.
    case call(reactor: Int, connection: UInt64, callID: UInt64)
    /// A task of the daemon's own.
    case task(UInt64)
}

/// The right to ask the vault for one key, and to cache the answer if nothing
/// came between.
package struct FlightTicket: Sendable {
    package let id: UInt64
    package let key: RecordKey
    let hash: UInt64
    /// The fence as it stood when the flight set out.
    let fence: UInt64
    /// Nobody else may wait for it, and its answer is not cached: a write is
    /// under way.
    let isAlone: Bool
}

/// A flight and who waits for it.
struct Flight {
    let ticket: FlightTicket
    var waiters: [CacheWaiter]
}

/// What a miss leads to.
package enum CacheJoin: Sendable {
    /// It has come meanwhile.
    case hit(CachedValue, ageMilliseconds: UInt64)
    /// Ask the vault, then `complete` the ticket; the waiter is on its list.
    case lead(FlightTicket)
    /// The waiter will be answered with the flight that is under way.
    case follow
    /// Too many flights or waiters.
    case refused
}

/// Made before a write goes to the vault, handed back after.
package struct WriteTicket: Sendable {
    package let key: RecordKey
    let hash: UInt64
    /// The fence after the write moved it.
    let fence: UInt64
    /// No other write to the stripe was under way then.
    let wasAlone: Bool
}

/// How a write ended, as far as the cache cares.
package enum WriteOutcome: Sendable {
    /// The vault has it: this is what a Get finds from now on, or nil after a Delete.
    case acknowledged(CachedValue?)
    /// Surely nothing changed.
    case refused
    /// Nobody knows: the next Get asks the vault.
    case ambiguous
}
