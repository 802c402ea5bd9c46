internal import CBaselines
internal import CofferCore

/// What sealing adds to a value in the vault: header, padding, tag.
private let sealingBytes = 184
/// Rows of one transaction of the preparation.
private let preparedAtOnce: UInt32 = 1000

/// Measures SQLite's own durable transactions, of as many rows as the workload
/// has calls in flight: what the disk and SQLite allow.
///
/// Every row counts as one Store; latencies are those of whole transactions. The
/// database is made inside `folder`, with pages of `pageBytes`, and removed at the end.
func runCommitFloor(
    folder: String, pageBytes: Int32, workload: Workload, schedule: Schedule
) throws(LoadError) -> Report {
    let database = try CommitDatabase(in: folder, pageBytes: pageBytes, workload)
    if schedule.prepare { try database.write(all: workload.keys) }
    var chooser = KeyChooser(keys: workload.keys, distribution: workload.distribution, seed: workload.seed)
    var keys = [UInt32](repeating: 0, count: workload.connections * workload.depth)
    var tally = Tally()
    var rows = 0
    let start = monotonicNanoseconds()
    let measuredFrom = start + UInt64(schedule.warmupSeconds * 1e9)
    var now = start
    while !schedule.length.isReached(rows: rows, from: measuredFrom, now: now) {
        for index in keys.indices { keys[index] = chooser.next() }
        let began = now
        try database.write(keys)
        now = monotonicNanoseconds()
        for _ in keys { tally.record(status: StatusCode.ok.rawValue) }
        if began >= measuredFrom {
            rows += keys.count
            tally.record(latency: now - began, of: .store)
        }
    }
    let seconds = Double(now - measuredFrom) / 1e9
    return Report(
        .floorCommits, workload: workload.storing, tally: tally, seconds: seconds, answers: UInt64(rows))
}

/// Measures SQLite's durable transactions for as many writers as the workload has calls
/// in flight, each a thread that waits for its own row: who comes while a transaction
/// is committed shares the next one.
///
/// The database is as for `runCommitFloor`.
func runWriterFloor(
    folder: String, pageBytes: Int32, workload: Workload, schedule: Schedule
) throws(LoadError) -> Report {
    let database = try CommitDatabase(in: folder, pageBytes: pageBytes, workload)
    if schedule.prepare { try database.write(all: workload.keys) }
    var chooser = KeyChooser(keys: workload.keys, distribution: workload.distribution, seed: workload.seed)
    let keys = (0..<1 << 16).map { _ in chooser.next() }
    var tally = Tally()
    let seconds = try database.write(
        keys, writers: workload.connections * workload.depth, schedule, into: &tally)
    return Report(
        .floorWriters, workload: workload.storing, tally: tally, seconds: seconds, answers: tally.measured)
}

extension Workload {
    /// The same with Stores only.
    fileprivate var storing: Workload {
        var stores = self
        stores.storeShare = 1
        return stores
    }
}

extension Schedule.Length {
    fileprivate func isReached(rows: Int, from: UInt64, now: UInt64) -> Bool {
        switch self {
        case .seconds(let seconds): now >= from + UInt64(seconds * 1e9)
        case .requests(let count): rows >= count
        }
    }
}

/// The database, open for as long as this value lives.
private struct CommitDatabase: ~Copyable {
    private let folder: TemporaryFolder
    private let commits: OpaquePointer

    init(in folder: String, pageBytes: Int32, _ workload: Workload) throws(LoadError) {
        let folder = try TemporaryFolder(in: folder)
        let path = folder.path + "/commits.db"
        let payloadBytes = workload.valueBytes + sealingBytes
        var text = [CChar](repeating: 0, count: 256)
        guard let commits = coffer_commits_open(path, payloadBytes, pageBytes, &text, text.count) else {
            let cause = text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
            throw LoadError("cannot make the database \(path): \(cause)")
        }
        self.folder = folder
        self.commits = commits
    }

    func write(_ keys: [UInt32]) throws(LoadError) {
        guard coffer_commits_write(commits, keys, keys.count) == 0 else {
            throw LoadError("cannot commit: \(String(cString: coffer_commits_error(commits)))")
        }
    }

    /// Writes every record once, many in a transaction.
    func write(all count: UInt32) throws(LoadError) {
        for start in stride(from: 0, to: count, by: Int(preparedAtOnce)) {
            try write(Array(start..<min(count, start + preparedAtOnce)))
        }
    }

    /// Lets threads write.
    ///
    /// - Returns: how long the measured part took, in seconds.
    func write(
        _ keys: [UInt32], writers: Int, _ schedule: Schedule, into tally: inout Tally
    ) throws(LoadError) -> Double {
        let (seconds, rows) =
            switch schedule.length {
            case .seconds(let seconds): (seconds, UInt64.max)
            case .requests(let count): (Double(1 << 20), UInt64(count))
            }
        var nanoseconds: UInt64 = 0
        let code = withUnsafeMutablePointer(to: &tally) { tally in
            coffer_commits_by_writers(
                commits, writers, keys, keys.count, schedule.warmupSeconds, seconds, rows, &nanoseconds,
                { context, latency in
                    let tally = context.assumingMemoryBound(to: Tally.self)
                    tally.pointee.record(status: StatusCode.ok.rawValue)
                    tally.pointee.record(latency: latency, of: .store)
                }, tally)
        }
        guard code == 0 else {
            throw LoadError("cannot commit: \(String(cString: coffer_commits_error(commits)))")
        }
        return Double(nanoseconds) / 1e9
    }

    deinit { coffer_commits_close(commits) }
}
