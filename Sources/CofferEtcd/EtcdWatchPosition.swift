internal import CofferCore

/// How far the changes are known: where a lost watch resumes.
struct EtcdWatchPosition {
    /// How long a watch that is behind may take to send what it missed: etcd looks for such watches ten times a second.
    static let settling = Duration.seconds(5)

    /// What a linearizable read says about the store, and about what was heard of it.
    enum Comparison: Equatable {
        /// All changes of the store were heard.
        case current
        /// The store has changed since. Only changes below the prefix are heard, so nothing need be missing.
        case ahead
        /// It is not the store of before: it was restored from a snapshot, or is another cluster. A watch that resumes there
        /// is silent until the store comes to the revision that it waits for.
        case otherHistory
    }

    /// The first revision that was not heard; nil = none was, or history is gone.
    private(set) var next: Int64?
    /// The newest revision that the store is known to have had.
    private(set) var newest: Int64 = 0
    /// A revision up to which changes are believed to have been heard, by what the stream did since.
    private var believed: Int64 = 0
    private var cluster: String?
    /// What the store had when the stream began, and when that was.
    private var beginning: (revision: Int64, at: BootInstant)?

    /// - Returns: whether changes may have been missed: the watch began with what comes after this.
    mutating func created(revision: Int64, at now: BootInstant) -> Bool {
        beginning = (revision, now)
        guard next == nil else { return false }
        advance(to: revision + 1)
        return true
    }

    /// - Parameter isWhole: else more changes of the same revision follow.
    mutating func changed(revision: Int64, isWhole: Bool) {
        if isWhole { advance(to: revision + 1) }
    }

    mutating func progressed(to revision: Int64) { advance(to: revision + 1) }

    /// etcd has ended the stream at the time that was asked for, and that was heard behind all that it sent. So what the store
    /// had when the stream began has been heard, and a watch of records that nobody changes does not stay far behind the
    /// other keys.
    mutating func ended(at now: BootInstant) {
        if let beginning, beginning.at + Self.settling <= now { advance(to: beginning.revision + 1) }
    }

    /// - Parameters:
    ///   - revision: of the store, by a linearizable read.
    ///   - before: `newest` when that was sent: what was heard meanwhile may be newer than its answer.
    mutating func compare(revision: Int64, cluster: String, before: Int64) -> Comparison {
        if revision < before || self.cluster ?? cluster != cluster { return .otherHistory }
        self.cluster = cluster
        newest = max(newest, revision)
        return hasHeard(revision) ? .current : .ahead
    }

    func hasHeard(_ revision: Int64) -> Bool { revision < max(next ?? 0, believed + 1) }

    /// The changes up to this revision are other keys', as far as can be known.
    mutating func believe(_ revision: Int64) { believed = max(believed, revision) }

    mutating func lost() {
        beginning = nil
        believed = 0
    }

    /// What was heard is of no use any more.
    mutating func forget() { self = EtcdWatchPosition() }

    private mutating func advance(to revision: Int64) {
        next = max(next ?? revision, revision)
        newest = max(newest, revision - 1)
    }
}

/// Whether a stream that says nothing while the store changes is replaced: it may have broken without notice, or the
/// changes are of keys of other programs. Where they are, fewer and fewer streams are replaced.
struct EtcdWatchSuspicion {
    static let shortestPause = Duration.milliseconds(300)
    static let longestPause = Duration.seconds(60)

    private var pause = Self.shortestPause
    private var last: BootInstant?

    /// - Returns: whether to replace the stream now.
    mutating func isDue(at now: BootInstant) -> Bool {
        if let last {
            guard last + pause <= now else { return false }
            pause = now < last + pause * 4 ? min(pause * 2, Self.longestPause) : Self.shortestPause
        }
        last = now
        return true
    }

    /// The new stream brought changes that the old one had not.
    mutating func confirmed() { self = EtcdWatchSuspicion() }
}

/// How long what is cached is trusted while changes are not heard.
struct EtcdWatchTrust {
    /// A stream that is heard again within this time has missed nothing, and nothing need be asked again.
    static let grace = Duration.milliseconds(300)
    /// What is cached meanwhile is asked for again after at most this time.
    static let shortTTL = Duration.milliseconds(500)

    private(set) var due: BootInstant?

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
    /// Revisions of own writes that are remembered, because their changes come later.
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

    /// Revisions of another history say nothing about this one.
    mutating func forgetRevisions() {
        (remembered, order, oldest) = ([], [], 0)
        for name in pending.keys { pending[name]?.revisions = [] }
    }

    private mutating func remember(_ revision: Int64) {
        guard remembered.insert(revision).inserted else { return }
        if order.count < Self.maximumRemembered { return order.append(revision) }
        remembered.remove(order[oldest])
        order[oldest] = revision
        oldest = (oldest + 1) % Self.maximumRemembered
    }
}
