import CFaultyVFS
import CofferSQLite
import Foundation
import Synchronization
import Testing

/// The layer that joins the frames of the log, over a disk that counts and fails.
///
/// One at a time, for what is measured in milliseconds elsewhere.
@Suite(.timeLimit(.minutes(2)), .serialized, .ownThread) struct SQLiteLogTests {
    let scratch = Scratch()

    private func set(_ fault: coffer_fault) { coffer_faulty_set(scratch.folder, fault) }
    private var writes: coffer_log_writes { coffer_faulty_log_writes(scratch.folder) }

    /// Not SQLite's: a transaction of ours that wants to be rolled back.
    private static let refusal = SQLiteError(code: 4)

    /// A new database, in which a table holds names and 400 bytes each.
    private func make() throws -> LogDatabase {
        try #require(coffer_faulty_register() == 0)
        set(COFFER_FAULT_NONE)
        try scratch.makeFolder()
        try #require(FileManager.default.createFile(atPath: scratch.path, contents: nil))
        let database = try LogDatabase(scratch.path)
        try database.execute("CREATE TABLE record (name INTEGER PRIMARY KEY, value TEXT UNIQUE, payload BLOB) STRICT")
        return database
    }

    /// What a process finds that is started after this one was killed now.
    private func afterKill() throws -> [Int64: Int64] {
        let copy = Scratch()
        try copy.makeFolder()
        // In a process of its own: closing the files in ours would drop the locks.
        for suffix in ["", "-wal"] {
            let process = try Process.run(
                URL(fileURLWithPath: "/bin/cp"), arguments: [scratch.path + suffix, copy.path + suffix])
            process.waitUntilExit()
            try #require(process.terminationStatus == 0)
        }
        let found = try LogDatabase(copy.path)
        defer { try? found.connection.close() }
        #expect(try found.isWhole)
        return try found.records
    }

    @Test func aCommitIsOneWrite() throws {
        let database = try make()
        try database.put(0..<500, value: 1)
        let size = try database.logBytes
        let before = writes
        try database.put(stride(from: 0, to: 500, by: 31), value: 2)
        let added = try database.logBytes - size
        #expect(added >= 16 * 1048)
        #expect(writes.calls - before.calls == 1)
        #expect(writes.bytes - before.bytes == Int64(added))
    }

    /// SQLite's own layer writes less than 128 KiB at once, and spoils what is more.
    @Test func aLargeTransactionIsWrittenInParts() throws {
        let database = try make()
        let before = writes
        try database.put(0..<5000, value: 1)
        #expect(writes.bytes - before.bytes > 2 << 20)
        #expect(writes.largest < 128 << 10)
        #expect(Int64(writes.calls - before.calls) < (writes.bytes - before.bytes) / (100 << 10))
        #expect(try afterKill().count == 5000)
        try database.connection.close()
        #expect(try LogDatabase(scratch.path).records.count == 5000)
    }

    @Test(arguments: [COFFER_FAULT_WRITE, COFFER_FAULT_FULL], ["FULL", "OFF"])
    func aFailedWriteFailsTheCommit(fault: coffer_fault, synchronous: String) throws {
        let database = try make()
        try database.execute("PRAGMA synchronous = \(synchronous)")
        try database.put(0..<100, value: 1)
        let before = try database.records
        set(fault)
        #expect(throws: SQLiteError.self) { try database.put(0..<50, value: 2) }
        set(COFFER_FAULT_NONE)
        #expect(try database.records == before)
        #expect(try afterKill() == before)
        try database.put(50..<60, value: 3)
        let after = before.merging((50..<60).map { ($0, 3) }) { $1 }
        #expect(try afterKill() == after)
        try database.connection.close()
        #expect(try LogDatabase(scratch.path).records == after)
    }

    /// The disk fails in the middle of a transaction and is well again when that
    /// commits: what was lost meanwhile must not be taken for written.
    @Test(arguments: [COFFER_FAULT_WRITE, COFFER_FAULT_FULL])
    func aTransactionThatLostFramesDoesNotCommit(fault: coffer_fault) throws {
        let database = try make()
        try database.put(0..<1000, value: 1)
        let before = try database.records
        try database.execute("PRAGMA cache_size = 10")
        for rows in [20, 60, 200, 900] as [Int64] {
            var lost = false
            let error = sqliteError { () throws(SQLiteError) in
                try database.transaction { session throws(SQLiteError) in
                    try LogDatabase.put(0..<rows, value: 2, in: session)
                    lost = failDuringAnUpdate(session, fault)
                }
            }
            #expect(lost)
            #expect(error != nil)
            #expect(try database.records == before)
            #expect(try afterKill() == before)
        }
        try database.put(0..<10, value: 4)
        #expect(try afterKill() == before.merging((0..<10).map { ($0, 4) }) { $1 })
    }

    /// Whether the update has failed, as it must.
    private func failDuringAnUpdate(_ session: borrowing SQLiteSession, _ fault: coffer_fault) -> Bool {
        set(fault)
        defer { set(COFFER_FAULT_NONE) }
        return sqliteError { () throws(SQLiteError) in
            try session.execute("UPDATE record SET value = value || 'x'")
        } != nil
    }

    @Test func nobodySeesATransactionBeforeItsCommit() throws {
        let database = try make()
        try database.put(0..<1000, value: 1)
        let before = try database.records
        let reader = try LogDatabase(scratch.path, writable: false)
        try database.execute("PRAGMA cache_size = 10")
        let written = writes.bytes
        try database.transaction { session throws(SQLiteError) in
            try LogDatabase.put(0..<1000, value: 2, in: session)
            #expect(writes.bytes > written, "nothing was spilled")
            #expect((try? reader.records) == before)
            #expect((try? afterKill()) == before)
            #expect((try? LogDatabase.records(in: session).values.allSatisfy { $0 == 2 }) == true)
        }
        #expect(try reader.records.values.allSatisfy { $0 == 2 })
        #expect(try afterKill() == reader.records)
    }

    /// Frames that were rolled back are never written over those of another
    /// connection, which has taken their place in the log.
    @Test(arguments: [3, 40, 1000] as [Int64])
    func whatWasRolledBackStaysAway(rows: Int64) throws {
        let database = try make()
        try database.put(0..<1000, value: 1)
        var expected = try database.records
        let other = try LogDatabase(scratch.path)
        try database.execute("PRAGMA cache_size = 10")
        for round in 2..<12 as Range<Int64> {
            let error = sqliteError { () throws(SQLiteError) in
                try database.transaction { session throws(SQLiteError) in
                    try LogDatabase.put(0..<rows, value: -round, in: session)
                    throw Self.refusal
                }
            }
            #expect(error == Self.refusal)
            try other.put(stride(from: round, to: 1000, by: 97), value: round)
            for name in stride(from: round, to: 1000, by: 97) { expected[name] = round }
            #expect(try database.records == expected)
            #expect(try afterKill() == expected)
        }
        try database.connection.close()
        try other.connection.close()
        #expect(try LogDatabase(scratch.path).records == expected)
    }

    /// Written, and the process is killed before the sync is over.
    @Test func aCopyFromWithinASyncIsWhole() throws {
        let database = try make()
        try database.put(0..<100, value: 1)
        set(COFFER_FAULT_SLOW)
        let committed = DispatchSemaphore(value: 0)
        Thread {
            try? database.put(0..<100, value: 2)
            committed.signal()
        }.start()
        while coffer_faulty_hits(scratch.folder) == 0 { usleep(1000) }
        let found = try afterKill()
        #expect(found.count == 100)
        #expect(found.values.allSatisfy { $0 == 2 }, "synced before it was written")
        committed.wait()
        set(COFFER_FAULT_NONE)
    }

    /// A commit is handed down before it is told, whoever syncs it and when.
    @Test(arguments: ["synchronous = NORMAL", "synchronous = OFF", "locking_mode = EXCLUSIVE"])
    func noCommitWaitsInMemory(pragma: String) throws {
        let database = try make()
        try database.execute("PRAGMA cache_size = 10")
        try database.execute("PRAGMA \(pragma)")
        var expected: [Int64: Int64] = [:]
        for round in 1..<20 as Range<Int64> {
            // Pages spilled and changed again are written anew in the log.
            let names = 0..<(round * round * 2)
            try database.transaction { session throws(SQLiteError) in
                try LogDatabase.put(names, value: -round, in: session)
                try LogDatabase.put(names, value: round, in: session)
            }
            for name in names { expected[name] = round }
            #expect(try afterKill() == expected)
            if round % 7 == 0 { try database.checkpoint(truncating: round % 2 == 0) }
        }
    }

    /// Two connections that write, roll back, spill and move the log into the
    /// database, in an order made up as it goes.
    @Test(arguments: 1...3 as ClosedRange<UInt64>)
    func aMadeUpHistoryIsKept(seed: UInt64) throws {
        var random = Dice(state: seed)
        let first = try make()
        let connections = [first, try LogDatabase(scratch.path)]
        var expected: [Int64: Int64] = [:]
        for step in 1...80 as ClosedRange<Int64> {
            let database = connections[random.roll(2)]
            switch random.roll(10) {
            case 0: try database.checkpoint(truncating: random.roll(2) == 0)
            case 1: try database.execute("PRAGMA cache_size = \([10, 100, 2000][random.roll(3)])")
            default: try write(database, step, &random, &expected)
            }
            guard random.roll(4) == 0 else { continue }
            #expect(try connections[random.roll(2)].records == expected, "step \(step)")
            #expect(try afterKill() == expected, "step \(step)")
        }
    }

    private func write(
        _ database: LogDatabase, _ step: Int64, _ random: inout Dice, _ expected: inout [Int64: Int64]
    ) throws {
        let names = Int64(random.roll(500))..<Int64(500 + random.roll([10, 300, 1500][random.roll(3)]))
        let (undone, refused) = (random.roll(3) == 0, random.roll(4) == 0)
        let error = sqliteError { () throws(SQLiteError) in
            try database.transaction { session throws(SQLiteError) in
                try LogDatabase.put(names, value: step, in: session)
                if undone {
                    try session.execute("SAVEPOINT s")
                    try LogDatabase.put(0..<800, value: -step, in: session)
                    try session.execute("ROLLBACK TO s")
                }
                if refused { throw Self.refusal }
            }
        }
        #expect(error == (refused ? Self.refusal : nil))
        guard error == nil else { return }
        for name in names { expected[name] = step }
    }

    @Test func checkpointsMayComeFromElsewhere() throws {
        let database = try make()
        let other = try LogDatabase(scratch.path)
        let isOver = Atomic(false)
        let ended = DispatchSemaphore(value: 0)
        Thread {
            var truncating = false
            while !isOver.load(ordering: .relaxed) {
                // Busy is no harm.
                try? other.checkpoint(truncating: truncating)
                truncating.toggle()
                // Else the writer may find it busy for all the time that it is patient.
                Thread.sleep(forTimeInterval: 0.002)
            }
            ended.signal()
        }.start()
        for round in 1...300 as ClosedRange<Int64> {
            try database.put(stride(from: round % 7, to: 500, by: 7), value: round)
        }
        isOver.store(true, ordering: .relaxed)
        ended.wait()
        let found = try afterKill()
        #expect(found.count == 500)
        for name in 0..<500 as Range<Int64> { #expect(found[name] == (294...300).last { $0 % 7 == name % 7 }) }
    }

    @Test func firstConnectionsMayBeOpenedAtOnce() throws {
        try scratch.makeFolder()
        let failures = Atomic(0)
        DispatchQueue.concurrentPerform(iterations: 8) { number in
            let path = "\(scratch.folder)/\(number).db"
            _ = FileManager.default.createFile(atPath: path, contents: nil)
            // No other test uses this one.
            guard (try? LogDatabase(path, vfs: "unix")) == nil else { return }
            failures.add(1, ordering: .relaxed)
        }
        #expect(failures.load(ordering: .relaxed) == 0)
    }

    @Test func anUnknownLayerIsToldApart() throws {
        let error = #expect(throws: SQLiteError.self) { try LogDatabase(scratch.path, vfs: "none such") }
        #expect(error?.kind == .unsupported)
    }
}

/// What `body` fails with.
private func sqliteError(_ body: () throws(SQLiteError) -> Void) -> SQLiteError? {
    do {
        try body()
        return nil
    } catch {
        return error
    }
}

/// A connection to the database of these tests.
private struct LogDatabase {
    let connection: SQLiteConnection

    init(_ path: String, vfs: String = "coffer-faulty", writable: Bool = true) throws(SQLiteError) {
        var settings = SQLiteSettings()
        settings.vfs = vfs
        settings.writable = writable
        connection = try SQLiteConnection(path: path, settings: settings)
    }

    func execute(_ sql: String) throws(SQLiteError) {
        try connection.run { session throws(SQLiteError) in try session.execute(sql) }
    }

    func transaction(_ body: (borrowing SQLiteSession) throws(SQLiteError) -> Void) throws(SQLiteError) {
        try connection.run { session throws(SQLiteError) in
            try session.transaction { () throws(SQLiteError) in try body(session) }
        }
    }

    func put(_ names: some Sequence<Int64>, value: Int64) throws(SQLiteError) {
        try transaction { session throws(SQLiteError) in try Self.put(names, value: value, in: session) }
    }

    static func put(
        _ names: some Sequence<Int64>, value: Int64, in session: borrowing SQLiteSession
    ) throws(SQLiteError) {
        let upsert = try session.statement(
            once: "INSERT OR REPLACE INTO record VALUES (?1, ?2, randomblob(400))")
        for name in names {
            upsert.bind(1, name)
            upsert.bind(2, "\(name) \(value)")
            try upsert.run()
        }
    }

    func checkpoint(truncating: Bool) throws(SQLiteError) {
        _ = try connection.run { session throws(SQLiteError) in try session.checkpoint(truncating: truncating) }
    }

    var logBytes: Int {
        get throws(SQLiteError) { try connection.run { session throws(SQLiteError) in session.logBytes } }
    }

    /// The value of each name.
    var records: [Int64: Int64] {
        get throws(SQLiteError) {
            try connection.run { session throws(SQLiteError) in try Self.records(in: session) }
        }
    }

    static func records(in session: borrowing SQLiteSession) throws(SQLiteError) -> [Int64: Int64] {
        var records: [Int64: Int64] = [:]
        // The payload too, so that every page is read.
        let all = try session.statement(
            once: "SELECT name, substr(value, instr(value, ' ') + 1), length(payload) FROM record")
        try all.scan {
            records[$0.integer(0)] = $0.integer(2) == 400 ? Int64($0.text(1)) : nil
            return true
        }
        return records
    }

    var isWhole: Bool {
        get throws(SQLiteError) {
            try connection.run { session throws(SQLiteError) in
                var verdict = ""
                try session.statement(once: "PRAGMA integrity_check(1)").scan {
                    verdict = $0.text(0)
                    return true
                }
                return verdict == "ok"
            }
        }
    }
}

/// Throws the same numbers for the same seed.
private struct Dice {
    var state: UInt64

    mutating func roll(_ sides: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int(state >> 33) % sides
    }
}
