import Synchronization

/// Counters of one reactor: written by its thread alone, read by any.
final class ReactorCounters: Sendable {
    struct Counter: ~Copyable, Sendable {
        private let value = Atomic<UInt64>(0)

        /// For the one thread that writes: no locked instruction.
        @inline(__always)
        func increment(by amount: UInt64 = 1) {
            value.store(value.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
        }

        var current: UInt64 { value.load(ordering: .relaxed) }
    }

    let requests = Counter()
    let ended = EndedCalls()
    let cacheMisses = Counter()
    let denied = Counter()
    let malformed = Counter()
    let accepted = Counter()
    let deniedConnections = Counter()
    let refusedConnections = Counter()
    let cutSlowPeers = Counter()
    let deadlines = Counter()
    let cancelled = Counter()
}
