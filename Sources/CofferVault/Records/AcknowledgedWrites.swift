import CofferCore
import Synchronization

/// What a vault that lags has acknowledged of late: what it must not be believed to have forgotten.
///
/// Of writes to one record that overlap nobody knows which was last. So what is older than all of
/// them is behind, and each of them may be what a read finds.
final class AcknowledgedWrites: Sendable {
    /// Records remembered; beyond that the oldest are forgotten. At 100 bytes each some 6 MiB.
    static let maximumCount = 65_536

    /// A write or a removal, by what puts it in order.
    struct Change: Sendable {
        let order: Order
        let expiresAt: WallMilliseconds
        let isRemoval: Bool

        init(_ item: VaultItem) {
            order = Order(version: item.version, writtenAt: item.updatedAt)
            expiresAt = item.expiresAt
            isRemoval = false
        }

        /// - Parameter generation: from the source of those of writes: the wall clock may be set back between the two.
        init(removal generation: UInt64, at now: WallMilliseconds) {
            order = Order(generation: generation, writtenAt: now)
            expiresAt = 0
            isRemoval = true
        }
    }

    /// When something was written, as far as that can be known.
    struct Order: Sendable {
        /// Of a version that a daemon gave: microseconds since 1970, see `GenerationSource`.
        let generation: UInt64?
        let writtenAt: WallMilliseconds

        init(generation: UInt64?, writtenAt: WallMilliseconds) {
            self.generation = generation
            self.writtenAt = writtenAt
        }

        init(version: String, writtenAt: WallMilliseconds) {
            let isOurs = version.utf8.count == 24 && version.utf8.allSatisfy { Hex.value($0) != nil }
            self.init(
                generation: isOurs ? UInt64(version.prefix(16), radix: 16) : nil, writtenAt: writtenAt)
        }

        /// Other programs' versions have no order: there the vault's time has to do, and some
        /// vaults tell whole seconds.
        func isOlder(than other: Order) -> Bool {
            if let generation, let theirs = other.generation { return generation < theirs }
            return writtenAt / 1_000 < other.writtenAt / 1_000
        }
    }

    /// What is to be made of what a read found.
    enum Verdict: Sendable {
        case current
        /// What was found is older than the removal of the record.
        case removed
        /// The vault has not caught up.
        case behind
    }

    /// What is known of a record since a change of it.
    private struct Entry {
        /// The oldest of the changes that may be the last.
        var floor: Order
        /// One of them is a removal.
        var mayBeAbsent: Bool
        /// All are.
        var isRemoval: Bool
        /// When an absence may be the record's own expiry; 0 = never.
        var expiresAt: WallMilliseconds
        var until = BootInstant(nanoseconds: 0)

        init(_ change: Change) {
            floor = change.order
            mayBeAbsent = change.isRemoval
            isRemoval = change.isRemoval
            expiresAt = change.expiresAt
        }

        /// The change overlaps with this one.
        mutating func add(_ change: Change) {
            if change.order.isOlder(than: floor) { floor = change.order }
            mayBeAbsent = mayBeAbsent || change.isRemoval
            isRemoval = isRemoval && change.isRemoval
            if change.expiresAt != 0 { expiresAt = expiresAt == 0 ? change.expiresAt : min(expiresAt, change.expiresAt) }
        }
    }

    private struct UnderWay {
        let number: UInt64
        let change: Change
        var outcome: Entry
    }

    private struct State {
        var entries: [[UInt8]: Entry] = [:]
        var underWay: [[UInt8]: [UnderWay]] = [:]
        var lastNumber: UInt64 = 0
    }

    /// For how long after a write the vault may lag.
    let lag: Duration
    private let state = Mutex(State())

    init(lag: Duration) { self.lag = lag }

    /// How many records are remembered.
    var count: Int { state.withLock { $0.entries.count } }

    /// Before the vault is asked.
    ///
    /// - Returns: the number of this change, for `end`.
    func begin(_ change: Change, of tag: [UInt8]) -> UInt64 {
        state.withLock { state in
            state.lastNumber += 1
            var outcome = Entry(change)
            var others = state.underWay[tag] ?? []
            for index in others.indices {
                outcome.add(others[index].change)
                others[index].outcome.add(change)
            }
            others.append(UnderWay(number: state.lastNumber, change: change, outcome: outcome))
            state.underWay[tag] = others
            return state.lastNumber
        }
    }

    /// After it has answered, or will not.
    ///
    /// - Parameter failure: nil = it has acknowledged the change.
    func end(_ number: UInt64, of tag: [UInt8], _ failure: Failure?, now: BootInstant) {
        state.withLock { state in
            guard var all = state.underWay[tag], let index = all.firstIndex(where: { $0.number == number }) else {
                return
            }
            var ended = all.remove(at: index)
            state.underWay[tag] = all.isEmpty ? nil : all
            if let failure {
                // A removal that nobody heard of again may have been done.
                if failure.mayHaveWritten, ended.change.isRemoval { state.entries[tag]?.mayBeAbsent = true }
                return
            }
            Self.makeRoom(&state.entries, now: now)
            ended.outcome.until = now + lag
            state.entries[tag] = ended.outcome
        }
    }

    private static func makeRoom(_ entries: inout [[UInt8]: Entry], now: BootInstant) {
        guard entries.count >= maximumCount else { return }
        entries = entries.filter { now < $0.value.until }
        guard entries.count >= maximumCount else { return }
        // Many at once, as each time costs a look at all.
        let oldest = entries.map { (until: $0.value.until, tag: $0.key) }.sorted { $0.until < $1.until }
        for entry in oldest.prefix(maximumCount / 8) { entries[entry.tag] = nil }
    }

    /// - Parameter found: what a read that began after `end` found; nil = no live record.
    func verdict(on found: Order?, of tag: [UInt8], now: BootInstant, wall: WallMilliseconds) -> Verdict {
        state.withLock { state in
            guard let entry = Self.entry(tag, &state, now) else { return .current }
            guard let found else {
                let hasExpired = entry.expiresAt != 0 && wall >= entry.expiresAt
                let isBeingRemoved = state.underWay[tag]?.contains(where: \.change.isRemoval) == true
                return entry.mayBeAbsent || hasExpired || isBeingRemoved ? .current : .behind
            }
            guard found.isOlder(than: entry.floor) else { return .current }
            return entry.isRemoval ? .removed : .behind
        }
    }

    /// Something is known of the record, so that no answer is believed that is older.
    func knows(_ tag: [UInt8], now: BootInstant) -> Bool {
        state.withLock { $0.underWay[tag] != nil || Self.entry(tag, &$0, now) != nil }
    }

    /// A record was written of late that is alive and was not removed since.
    func holds(_ tag: [UInt8], now: BootInstant, wall: WallMilliseconds) -> Bool {
        state.withLock { state in
            guard let entry = Self.entry(tag, &state, now) else { return false }
            return !entry.mayBeAbsent && (entry.expiresAt == 0 || wall < entry.expiresAt)
        }
    }

    private static func entry(_ tag: [UInt8], _ state: inout State, _ now: BootInstant) -> Entry? {
        guard let entry = state.entries[tag] else { return nil }
        if now < entry.until { return entry }
        state.entries[tag] = nil
        return nil
    }
}
