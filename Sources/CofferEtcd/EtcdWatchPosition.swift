internal import CofferCore

/// How far the changes are known: where a lost watch goes on.
struct EtcdWatchPosition {
    /// How long a watch that is behind may take to send what it missed: etcd looks for such watches ten times a second.
    static let settling = Duration.seconds(5)

    /// The first revision that was not seen; nil = none was, or history is gone.
    private(set) var next: Int64?
    /// What the store had when the stream began, and when that was.
    private var beginning: (revision: Int64, at: BootInstant)?

    /// - Returns: whether changes may have been missed: the watch began with what comes after this.
    mutating func created(revision: Int64, at now: BootInstant) -> Bool {
        beginning = (revision, now)
        guard next == nil else { return false }
        next = revision + 1
        return true
    }

    /// - Parameter isWhole: else more changes of the same revision follow.
    mutating func changed(revision: Int64, isWhole: Bool) {
        if isWhole { advance(to: revision + 1) }
    }

    mutating func progressed(to revision: Int64) { advance(to: revision + 1) }

    /// The member is alive, and its stream stands. What the store had when the stream began has been sent since: so a
    /// watch of records that nobody changes does not go on from far behind the other keys.
    mutating func proved(at now: BootInstant) {
        if let beginning, beginning.at + Self.settling <= now { advance(to: beginning.revision + 1) }
    }

    mutating func lost() { beginning = nil }

    mutating func compacted() {
        next = nil
        beginning = nil
    }

    private mutating func advance(to revision: Int64) { next = max(next ?? revision, revision) }
}

/// How long what is cached is trusted while changes are not heard.
struct EtcdWatchTrust {
    /// A watch that goes on within this time has missed nothing, and nothing need be asked again.
    static let grace = Duration.milliseconds(500)
    /// What is cached meanwhile is asked for again after at most this time.
    static let shortTTL = Duration.seconds(2)

    private var due: BootInstant?

    mutating func lost(at now: BootInstant) { due = due ?? now + Self.grace }

    mutating func resumed() { due = nil }

    /// Whether everything may have changed since this was last true.
    mutating func isOver(at now: BootInstant) -> Bool {
        guard let due, due <= now else { return false }
        self.due = now + Self.shortTTL
        return true
    }
}

/// Tells this adapter's own writes from those of others: the daemon knows its own.
struct EtcdOwnWrites {
    /// Revisions of own writes that are remembered, because etcd tells of them later.
    static let maximumRemembered = 4_096

    private struct Pending {
        var writes = 0
        var revisions: [Int64] = []
    }

    private var pending: [String: Pending] = [:]
    private var remembered: Set<Int64> = []
    private var order: [Int64] = []
    private var oldest = 0

    mutating func begin(_ name: String) { pending[name, default: Pending()].writes += 1 }

    /// - Parameter revision: of the write; nil = it made none, or nobody knows.
    /// - Returns: whether others changed the record meanwhile.
    mutating func end(_ name: String, revision: Int64?) -> Bool {
        if let revision { remember(revision) }
        guard var own = pending[name] else { return false }
        own.writes -= 1
        guard own.writes == 0 else {
            pending[name] = own
            return false
        }
        pending[name] = nil
        return own.revisions.contains { !remembered.contains($0) }
    }

    /// - Returns: whether others changed the record. While a write of our own is under way that is not known: `end` says it.
    mutating func isForeign(_ name: String, revision: Int64) -> Bool {
        if remembered.contains(revision) { return false }
        guard pending[name] != nil else { return true }
        pending[name]?.revisions.append(revision)
        return false
    }

    private mutating func remember(_ revision: Int64) {
        guard remembered.insert(revision).inserted else { return }
        if order.count < Self.maximumRemembered { return order.append(revision) }
        remembered.remove(order[oldest])
        order[oldest] = revision
        oldest = (oldest + 1) % Self.maximumRemembered
    }
}
