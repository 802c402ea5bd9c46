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
    /// SQLite's own default for copying the log into the database.
    private static let checkpointPages = 1000
    private static let retryNanoseconds: UInt64 = 200_000_000

    private let lane: WriteLane
    private let connections: EmbeddedConnections
    private let clock: any Clock
    private let options: EmbeddedOptions
    private var dbg = Dbg()
    private var pacing = GroupPacing(limit: Self.groupCalls)
    private var nextSweep: BootInstant
    /// Pages in the log at which it is copied next.
    private var nextCheckpoint = Self.checkpointPages

    init(_ lane: WriteLane, _ connections: EmbeddedConnections, clock: any Clock, options: EmbeddedOptions) {
        self.lane = lane
        self.connections = connections
        self.clock = clock
        self.options = options
        nextSweep = clock.boot
    }

    /// The thread's body; ends when the lane is closed and empty.
    mutating func run() {
        while !lane.isDrained {
            if connections.health == .sound {
                let t0 = clock.boot.nanoseconds; gather(); let t1 = clock.boot.nanoseconds; dbg.gather += t1 - t0
                commit(take())
                let t2 = clock.boot.nanoseconds; maintain(); dbg.maintain += clock.boot.nanoseconds - t2; if dbg.items >= 8000 { print(dbg, pacing); dbg = Dbg() }
            } else {
                recover()
            }
        }
    }

    private mutating func gather() {
        if pacing.expected > 1 {
            lane.wait(for: pacing.expected, nanoseconds: pacing.patience)
            pacing.waited(found: lane.waitingCount)
        }
        lane.wait(nanoseconds: UInt64(clamping: options.sweepInterval.wholeNanoseconds))
    }

    private func take() -> [WriteLane.LaneCall] {
        lane.take(atMost: Self.groupCalls, weight: \.payloadBytes, limit: Self.groupBytes)
    }

    private mutating func commit(_ group: [WriteLane.LaneCall]) {
        if group.isEmpty { return }
        let start = clock.boot
        let now = clock.wall
        do {
            let outcomes = try connections.write { session throws(SQLiteError) in
                try session.transaction { () throws(SQLiteError) in
                    try group.map { call throws(SQLiteError) in try Self.apply(call.request, session, now) }
                }
            }
            let a0 = clock.boot.nanoseconds; for (call, outcome) in zip(group, outcomes) { call.answer(outcome) }; dbg.answer += clock.boot.nanoseconds - a0
        } catch {
            for call in group { call.answer(.failure(error)) }
        }
        lane.finish(group)
        dbg.n += 1; dbg.items += group.count; dbg.commit += clock.boot.nanoseconds - start.nanoseconds
        pacing.committed(
            answered: group.count, waiting: lane.waitingCount,
            duration: clock.boot.nanoseconds - start.nanoseconds)
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
        let pages = try? connections.write { session throws(SQLiteError) in session.logPages }
        if let pages, pages >= nextCheckpoint { checkpoint(pages) }
        if clock.boot >= nextSweep { sweep() }
    }

    private mutating func checkpoint(_ pages: Int) {
        let left = try? connections.write { session throws(SQLiteError) in
            try session.checkpoint(truncating: false)
        }
        // If a reader held on to a part of the log, it goes on growing.
        nextCheckpoint = left == 0 ? Self.checkpointPages : pages + Self.checkpointPages
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
    private func recover() {
        if connections.reopen() { return }
        for call in take() {
            if case .failing(let failure) = connections.health { call.answer(.failure(failure)) }
            if case .damaged(let failure) = connections.health { call.answer(.failure(failure)) }
            lane.finish([call])
        }
        lane.wait(nanoseconds: Self.retryNanoseconds)
    }
}

struct Dbg { var n = 0, items = 0; var commit: UInt64 = 0, gather: UInt64 = 0, maintain: UInt64 = 0, answer: UInt64 = 0 }
