internal import CofferCore
internal import CofferSQLite
internal import CofferVault

enum WriteRequest: Sendable {
    case write(VaultKey, VaultItem, WriteCondition)
    case remove(VaultKey, ifVersion: String?)

    var payloadBytes: Int {
        if case .write(_, let item, _) = self { item.payload.count } else { 0 }
    }
}

enum WriteReply: Sendable {
    case created(WallMilliseconds)
    case removed(Bool)
}

/// The thread that changes the database: what waits becomes one transaction,
/// synced once.
///
/// Conditions are part of the statements, which run in order of arrival: each
/// sees what those before it in the group did.
struct EmbeddedWriter {
    typealias WriteLane = Lane<WriteRequest, WriteReply>

    private static let groupCalls = 64
    private static let groupBytes = 8 << 20
    /// The log is copied into the database when it has 16 MB: four times SQLite's own
    /// default, for no call is served meanwhile. A log that outgrows 16 MiB by its last
    /// group gives space back to the disk (`journal_size_limit`) and takes it anew.
    private static let checkpointBytes = 16_000_000
    private static let retryInterval = Duration.milliseconds(200)

    private let lane: WriteLane
    private let connections: EmbeddedConnections
    private let clock: any Clock
    private let options: EmbeddedOptions
    private var pacing = GroupPacing(limit: Self.groupCalls)
    /// Until when a group waits for the callers answered last.
    private var gatherUntil: BootInstant
    private var nextSweep: BootInstant
    private var nextReopening: BootInstant
    /// The size of the log, and that at which it is copied.
    private var logBytes = 0
    private var nextCheckpoint = Self.checkpointBytes

    init(_ lane: WriteLane, _ connections: EmbeddedConnections, clock: any Clock, options: EmbeddedOptions) {
        self.lane = lane
        self.connections = connections
        self.clock = clock
        self.options = options
        gatherUntil = clock.boot
        nextSweep = clock.boot
        nextReopening = clock.boot
    }

    /// The thread's body; ends when the lane is closed and empty.
    mutating func run() {
        while !lane.isDrained {
            if connections.health == .sound {
                awaitCaller()
                lane.wait(nanoseconds: UInt64(clamping: options.sweepInterval.wholeNanoseconds))
                let calls = take(atMost: Self.groupCalls)
                if !calls.isEmpty { commit(calls) }
                maintain()
            } else {
                recover()
            }
        }
    }

    /// Applies calls as they come, for as long as more are expected soon, and
    /// then commits: what the callers need to come back goes on while those
    /// that are back already are being applied.
    private mutating func commit(_ first: [WriteLane.LaneCall]) {
        var group = first
        var isReady = clock.boot
        do {
            let outcomes = try connections.write { session throws(SQLiteError) in
                let outcomes = try session.transaction { () throws(SQLiteError) in
                    var outcomes = try apply(first, session)
                    while let more = takeMore(behind: group.count) {
                        group += more
                        outcomes += try apply(more, session)
                    }
                    isReady = clock.boot
                    return outcomes
                }
                logBytes = session.logBytes
                return outcomes
            }
            answer(group, outcomes, committing: clock.boot.nanoseconds - isReady.nanoseconds)
        } catch {
            for call in group { call.answer(.failure(error)) }
            lane.finish(group)
        }
    }

    private func take(atMost count: Int) -> [WriteLane.LaneCall] {
        lane.take(atMost: count, weight: \.payloadBytes, limit: Self.groupBytes)
    }

    /// The calls to add to a group of this many; nil if it is to be committed.
    private mutating func takeMore(behind count: Int) -> [WriteLane.LaneCall]? {
        guard count < pacing.expected else { return nil }
        awaitCaller()
        let more = take(atMost: Self.groupCalls - count)
        if more.isEmpty || count + more.count >= pacing.expected {
            pacing.gathered(count + more.count)
        }
        return more.isEmpty ? nil : more
    }

    /// Until a caller is back, or the patience with them is over.
    private func awaitCaller() {
        let now = clock.boot
        if now < gatherUntil { lane.wait(nanoseconds: gatherUntil.nanoseconds - now.nanoseconds) }
    }

    private mutating func answer(
        _ group: [WriteLane.LaneCall], _ outcomes: [Result<WriteReply, Failure>], committing: UInt64
    ) {
        // Counted before the answers: from then on the same callers come back.
        let waiting = lane.waitingCount
        WriteLane.LaneCall.answer(group, outcomes)
        lane.finish(group)
        pacing.committed(answered: group.count, waiting: waiting, duration: committing)
        gatherUntil = clock.boot + .nanoseconds(Int64(pacing.patience))
    }

    private func apply(
        _ calls: [WriteLane.LaneCall], _ session: borrowing SQLiteSession
    ) throws(SQLiteError) -> [Result<WriteReply, Failure>] {
        let now = clock.wall
        return try calls.map { call throws(SQLiteError) in
            try Self.apply(call.request, session, now)
        }
    }

    private static func apply(
        _ request: WriteRequest, _ session: borrowing SQLiteSession, _ now: WallMilliseconds
    ) throws(SQLiteError) -> Result<WriteReply, Failure> {
        switch request {
        case .write(let key, let item, let condition):
            if let created = try session.write(key, item, condition, now: now) {
                return .success(.created(created))
            }
            return .failure(condition == .ifAbsent ? .alreadyExists : .versionMismatch)
        case .remove(let key, let ifVersion):
            guard let removed = try session.remove(key, ifVersion: ifVersion, now: now) else {
                return .failure(.versionMismatch)
            }
            return .success(.removed(removed))
        }
    }

    /// What can wait, right after the answers, while callers make their next
    /// calls. Failures show in `connections.health`; a full disk is tried again
    /// later.
    private mutating func maintain() {
        if logBytes >= nextCheckpoint { checkpoint() }
        if clock.boot >= nextSweep { sweep() }
    }

    private mutating func checkpoint() {
        let left = try? connections.write { session throws(SQLiteError) in
            try session.checkpoint(truncating: false)
        }
        // If a reader held on to a part of the log, it goes on growing.
        nextCheckpoint = left == 0 ? Self.checkpointBytes : logBytes + Self.checkpointBytes
        logBytes = 0
    }

    private mutating func sweep() {
        let now = clock.wall
        let limit = options.sweepBatch
        let swept = try? connections.write { session throws(SQLiteError) in
            try session.transaction { () throws(SQLiteError) in try session.sweep(limit: limit, now: now) }
        }
        if swept != limit { nextSweep = clock.boot + options.sweepInterval }
    }

    /// Until the disk is in order, calls get its failure for an answer.
    private mutating func recover() {
        for call in take(atMost: .max) {
            switch connections.health {
            case .failing(let failure), .damaged(let failure): call.answer(.failure(failure))
            case .sound: call.answer(.failure(.closed(vault: connections.name)))
            }
            lane.finish([call])
        }
        let now = clock.boot
        if now < nextReopening {
            lane.wait(nanoseconds: nextReopening.nanoseconds - now.nanoseconds)
        } else if !connections.reopen() {
            nextReopening = clock.boot + Self.retryInterval
            // Damaged for good: nothing but calls to wait for.
            if case .damaged = connections.health { lane.wait() }
        }
    }
}
