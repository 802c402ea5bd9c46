import Synchronization

/// Counts, over all reactors, the bytes of memory that wait for clients: the starts of frames,
/// replies that nobody has read yet, and what large answers are made of.
///
/// What is sent and forgotten within one turn of a reactor is not counted.
final class BufferBudget: Sendable {
    /// What bytes are for.
    enum Use {
        /// Starts of frames and unread replies.
        case work
        /// Pieces of answers that are being made. They can wait, so they leave an eighth of a limit
        /// to what cannot.
        case turns
        /// Those in which a vault is asked: they leave another eighth to those that need none.
        case vaultTurns
        /// The keys of GetManys. With records that are read ahead and `oneRecord` they get at most half of a limit: what waits does not
        /// keep the work that it waits for from being done.
        case keys
        /// Records that a GetMany reads before it can send them. Only while these and the keys take less
        /// than a quarter of a limit, so that no call is refused because others read ahead.
        case readAhead
        /// Those beyond the first ones of a call at one vault: while all of these take less than an eighth, so that a call
        /// that asks for many at a time leaves others room to ask for some.
        case readFarAhead
        /// The one record that a GetMany waits for where it may not read ahead: while these, with
        /// what is read ahead and the keys, take less than three eighths.
        case oneRecord

        /// It waits for vaults, not for clients.
        var isWaiting: Bool { self == .keys || self == .readAhead || self == .readFarAhead || self == .oneRecord }
    }

    private struct Count {
        var all = 0
        /// Those of them that are for keys or read ahead.
        var waiting = 0

        func hasRoom(_ bytes: Int, for use: Use, limit: Int) -> Bool {
            switch use {
            case .work: all + bytes <= limit
            case .turns: all + bytes <= limit / 8 * 7
            case .vaultTurns: all + bytes <= limit / 8 * 6
            case .keys: all + bytes <= limit && waiting + bytes <= limit / 2
            case .readAhead: all + bytes <= limit / 8 * 7 && waiting + bytes <= limit / 4
            case .readFarAhead: all + bytes <= limit / 8 * 7 && waiting + bytes <= limit / 8
            case .oneRecord: all + bytes <= limit / 8 * 7 && waiting + bytes <= limit / 8 * 3
            }
        }

        mutating func add(_ bytes: Int, for use: Use) {
            all += bytes
            if use.isWaiting { waiting += bytes }
        }
    }

    private struct State {
        var limits: ServerLimits
        var total = Count()
        var byUID: [UInt32: Count] = [:]
    }

    private let state: Mutex<State>

    init(limits: ServerLimits) { state = Mutex(State(limits: limits)) }

    /// Holds from the next reservation on.
    var limits: ServerLimits {
        get { state.withLock { $0.limits } }
        set { state.withLock { $0.limits = newValue } }
    }

    /// False, and nothing is counted, if this uid, or all together, would have more than they may.
    func reserve(_ bytes: Int, uid: UInt32, for use: Use = .work) -> Bool {
        state.withLock { state in
            guard state.total.hasRoom(bytes, for: use, limit: state.limits.bufferedBytes),
                state.byUID[uid, default: Count()].hasRoom(bytes, for: use, limit: state.limits.bufferedBytesPerUID)
            else { return false }
            state.total.add(bytes, for: use)
            state.byUID[uid, default: Count()].add(bytes, for: use)
            return true
        }
    }

    func release(_ bytes: Int, uid: UInt32, for use: Use = .work) {
        guard bytes > 0 else { return }
        state.withLock { state in
            state.total.add(-bytes, for: use)
            var left = state.byUID[uid, default: Count()]
            left.add(-bytes, for: use)
            state.byUID[uid] = left.all > 0 ? left : nil
        }
    }

    /// The uid's share, whatever all have together, has room for so many bytes.
    func hasRoom(_ bytes: Int, uid: UInt32, for use: Use) -> Bool {
        state.withLock { $0.byUID[uid, default: Count()].hasRoom(bytes, for: use, limit: $0.limits.bufferedBytesPerUID) }
    }

    var bytes: Int { state.withLock { $0.total.all } }
}

/// Bytes of a budget that are given back with the last reference.
final class BufferReservation: Sendable {
    private let budget: BufferBudget
    private let bytes: Atomic<Int>
    private let uid: UInt32
    private let use: BufferBudget.Use

    /// Nil if there is no room.
    convenience init?(_ bytes: Int, of budget: BufferBudget, uid: UInt32, for use: BufferBudget.Use = .work) {
        guard budget.reserve(bytes, uid: uid, for: use) else { return nil }
        self.init(reserved: bytes, of: budget, uid: uid, for: use)
    }

    /// Takes over what `reserve` of the budget has counted.
    init(reserved bytes: Int, of budget: BufferBudget, uid: UInt32, for use: BufferBudget.Use) {
        self.budget = budget
        self.bytes = Atomic(bytes)
        self.uid = uid
        self.use = use
    }

    /// Gives back what is beyond so many bytes.
    func shrink(to less: Int) {
        let before = bytes.load(ordering: .relaxed)
        guard less < before, bytes.compareExchange(expected: before, desired: less, ordering: .relaxed).exchanged else { return }
        budget.release(before - less, uid: uid, for: use)
    }

    deinit { budget.release(bytes.load(ordering: .relaxed), uid: uid, for: use) }
}
