internal import CofferCore
internal import CofferSQLite
internal import CofferVault
internal import CofferVaultKit

enum WriteRequest: Sendable {
    case write(RowWrite)
    case remove(VaultKey, ifVersion: String?)
    /// Writes a row that means nothing: a small one, or one as large as the largest credential.
    case probe(isLarge: Bool)
}

enum WriteReply: Sendable {
    case created(WallMilliseconds)
    case removed(Bool)
    case probed

    /// Of a write.
    ///
    /// - Parameter version: what was written.
    func receipt(for version: String) throws(Failure) -> VaultReceipt {
        guard case .created(let created) = self else {
            throw .internalError("the writer answered another question")
        }
        return VaultReceipt(version: version, createdAt: created)
    }
}

/// The thread that changes the database: what waits becomes one transaction,
/// synced once.
///
/// Calls are applied in order of arrival: conditions see what those before them in
/// the group did.
struct EmbeddedWriter {
    typealias WriteLane = Lane<WriteRequest, WriteReply>

    /// What becomes one transaction.
    private struct Group {
        var calls: [WriteLane.Call] = []
        var bytes = 0
    }

    private static let groupCalls = 64
    /// Reached by the last payload at most, but for that.
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
    private var steadyTime: SteadyTime
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
        steadyTime = SteadyTime(patience: options.sweepPatience, wall: clock.wall, boot: clock.boot)
        nextReopening = clock.boot
    }

    /// The thread's body; ends when the lane is closed and empty.
    mutating func run() {
        while !lane.isDrained {
            if connections.health == .sound {
                awaitCaller()
                lane.wait(nanoseconds: UInt64(clamping: options.sweepInterval.wholeNanoseconds))
                let (calls, bytes) = take(for: Group())
                if !calls.isEmpty { commit(Group(calls: calls, bytes: bytes)) }
                maintain()
            } else {
                recover()
            }
        }
    }

    /// Applies calls as they come, for as long as there are some or more are
    /// expected soon, and then commits: what the callers need to come back goes on
    /// while those that are back already are being applied.
    private mutating func commit(_ first: Group) {
        var group = first
        var isReady = clock.boot
        do {
            let outcomes = try connections.write { session throws(SQLiteError) in
                let outcomes = try session.transaction { () throws(SQLiteError) in
                    var outcomes = try apply(first.calls, session)
                    while let (calls, bytes) = takeMore(for: group) {
                        group.calls += calls
                        group.bytes += bytes
                        outcomes += try apply(calls, session)
                    }
                    isReady = clock.boot
                    return outcomes
                }
                logBytes = session.logBytes
                return outcomes
            }
            answer(group.calls, outcomes, committing: clock.boot.nanoseconds - isReady.nanoseconds)
        } catch {
            for call in group.calls { call.answer(.failure(error)) }
        }
    }

    /// Calls that a group has room for.
    private func take(for group: Group) -> WriteLane.Taken {
        let (items, bytes) = lane.takeItems(
            atMost: Self.groupCalls - group.calls.count, limit: Self.groupBytes - group.bytes)
        let calls = items.map { item in
            guard let call = item as? WriteLane.Call else { preconditionFailure("the writer's lane holds its calls") }
            return call
        }
        return (calls, bytes)
    }

    /// The calls to add to a group; nil if it is to be committed.
    private mutating func takeMore(for group: Group) -> WriteLane.Taken? {
        let count = group.calls.count
        guard count < Self.groupCalls, group.bytes < Self.groupBytes else { return nil }
        var more = take(for: group)
        if more.calls.isEmpty && count < pacing.expected {
            awaitCaller()
            more = take(for: group)
            if more.calls.isEmpty { pacing.gathered(count) }
        }
        let total = count + more.calls.count
        if count < pacing.expected && total >= pacing.expected { pacing.gathered(total) }
        return more.calls.isEmpty ? nil : more
    }

    /// Until a caller is back, or the patience with them is over.
    private func awaitCaller() {
        let now = clock.boot
        if now < gatherUntil { lane.wait(nanoseconds: gatherUntil.nanoseconds - now.nanoseconds) }
    }

    private mutating func answer(
        _ calls: [WriteLane.Call], _ outcomes: [Result<WriteReply, Failure>], committing: UInt64
    ) {
        // Counted before the answers: from then on the same callers come back.
        let waiting = lane.waitingCount
        var deliveries = LaneDeliveries()
        for (call, outcome) in zip(calls, outcomes) { call.answer(outcome, by: &deliveries) }
        deliveries.post()
        pacing.committed(answered: calls.count, waiting: waiting, duration: committing)
        gatherUntil = clock.boot + .nanoseconds(Int64(pacing.patience))
    }

    private func apply(
        _ calls: [WriteLane.Call], _ session: borrowing SQLiteSession
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
        case .write(let row):
            if let created = try session.write(row, now: now) { return .success(.created(created)) }
            return .failure(row.condition == .ifAbsent ? .alreadyExists : .versionMismatch)
        case .remove(let key, let ifVersion):
            guard let removed = try session.remove(key, ifVersion: ifVersion, now: now) else {
                return .failure(.versionMismatch)
            }
            return .success(.removed(removed))
        case .probe(let isLarge):
            try session.statement(isLarge ? RecordTable.largeProbe : RecordTable.smallProbe).run()
            return .success(.probed)
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
        guard let now = steadyTime.wall(clock.wall, at: clock.boot) else {
            nextSweep = clock.boot + options.sweepInterval
            return
        }
        let limit = options.sweepBatch
        let swept = try? connections.write { session throws(SQLiteError) in
            try session.transaction { () throws(SQLiteError) in try session.sweep(limit: limit, now: now) }
        }
        if swept != limit { nextSweep = clock.boot + options.sweepInterval }
    }

    /// Until the disk is in order, calls get its failure for an answer.
    private mutating func recover() {
        for call in lane.take(atMost: .max).calls {
            switch connections.health {
            case .failing(let failure), .damaged(let failure): call.answer(.failure(failure))
            case .sound: call.answer(.failure(.closed(vault: connections.name)))
            }
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
