import CofferCore

/// A call that waits for a vault. Its reactor knows it by a serial that no other call ever
/// gets: the id that the client gave it is free for another as soon as this one is answered,
/// while its work may go on.
struct PendingCall {
    enum Kind {
        case read, write
        /// Health: it goes through where other calls are too many, for it costs next to nothing.
        case health
        /// Doctor: it writes, but nobody has to know how that ended.
        case examination

        /// It can be answered before its work ends, and nothing is lost.
        var isCancellable: Bool { self != .write }
        var mayWrite: Bool { self == .write || self == .examination }

        /// How many of its kind may be in hand where the limit for others is `limit`.
        func limit(_ limit: Int) -> Int { self == .health ? limit + max(1, limit / 16) : limit }
    }

    let kind: Kind
    /// The token of its connection.
    let connection: UInt64
    let context: CallContext
    let work: CallWork
    /// Its time to wait for vaults is over.
    var asksNoVault = false
}
