internal import CSQLite
internal import CSQLiteLog
internal import Synchronization

/// One connection to a database file, hardened against its content: the file
/// is not trusted, only our keys are.
///
/// Every use goes through ``run(_:)``, one at a time.
package final class SQLiteConnection: @unchecked Sendable {
    // The variables are touched only under `lock`: that makes the class safe to share.
    private let lock = Mutex(())
    /// SQLite's connection; nil once it is closed.
    @exclusivity(unchecked) private var database: OpaquePointer?
    /// By the number of their query.
    @exclusivity(unchecked) private var statements: [SQLiteStatement?] = []
    fileprivate let log = LogSize()
    fileprivate let note = Note()

    /// Opens the file, which must exist.
    ///
    /// - Parameter path: absolute.
    /// - Throws: SQLite's code: `.damaged` for what is no database, `.locked`
    ///   if another process has it open, `.denied` if it cannot be opened,
    ///   `.unsupported` if SQLite has no such VFS.
    package init(path: String, settings: SQLiteSettings) throws(SQLiteError) {
        let database = try Self.open(path, vfs: try Self.joiningLog(over: settings.vfs))
        self.database = database
        // From here on `deinit` closes what an error leaves open.
        try Self.harden(database, settings)
        try log.follow(database)
        try note.offer(to: database)
    }

    deinit {
        // A statement that somebody still holds keeps SQLite's part of this alive.
        statements.removeAll()
        if database != nil { log.leave(database) }
        sqlite3_close_v2(database)
    }

    /// Runs `body` with the connection to itself, and waits for it.
    package func run<R>(
        _ body: (borrowing SQLiteSession) throws(SQLiteError) -> R
    ) throws(SQLiteError) -> R {
        var result = Result<R, SQLiteError>.failure(SQLiteError(code: SQLITE_MISUSE))
        lock.withLock { _ in
            guard let database else { return }
            do throws(SQLiteError) {
                result = .success(try body(SQLiteSession(database: database, connection: self)))
            } catch {
                result = .failure(error)
            }
        }
        return try result.get()
    }

    /// Lets go of the file. Any later use throws `.closed`.
    package func close() throws(SQLiteError) {
        let code = lock.withLock { _ in
            statements.removeAll()
            let code = sqlite3_close(database)
            if code == SQLITE_OK { database = nil }
            return code
        }
        guard code == SQLITE_OK else { throw SQLiteError(code: code) }
    }

    /// Called under `lock` only.
    fileprivate func statement(
        _ query: SQLiteQuery, _ database: OpaquePointer
    ) throws(SQLiteError) -> SQLiteStatement {
        if query.number < statements.count, let known = statements[query.number] { return known }
        let new = try SQLiteStatement(query.sql, in: database, isKept: true)
        while statements.count <= query.number { statements.append(nil) }
        statements[query.number] = new
        return new
    }

    /// The VFS that joins the frames of the log, over the one named; it is made
    /// at the first connection.
    private static func joiningLog(over below: String) throws(SQLiteError) -> String {
        let name = "coffer-log-\(below)"
        let code = coffer_sqlite_add_log_vfs(name, below)
        guard code == SQLITE_OK else { throw SQLiteError(code: code) }
        return name
    }

    /// Without SQLite's own mutex: `lock` is ours. The file is made by nobody.
    private static func open(_ path: String, vfs: String) throws(SQLiteError) -> OpaquePointer {
        var database: OpaquePointer?
        let code = sqlite3_open_v2(path, &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, vfs)
        guard code == SQLITE_OK, let database else {
            let extended = database.map { sqlite3_extended_errcode($0) } ?? SQLITE_NOMEM
            sqlite3_close(database)
            throw SQLiteError(code: extended)
        }
        return database
    }

    private static func harden(_ database: OpaquePointer, _ settings: SQLiteSettings) throws(SQLiteError) {
        sqlite3_extended_result_codes(database, 1)
        sqlite3_busy_timeout(database, Int32(settings.lockTimeoutSeconds * 1000))
        for (limit, value) in settings.limits { sqlite3_limit(database, limit, value) }
        for (option, on) in settings.switches {
            let code = coffer_sqlite_switch(database, option, on ? 1 : 0)
            guard code == SQLITE_OK else { throw SQLiteError(code: code) }
        }
        for pragma in settings.pragmas { try execute("PRAGMA \(pragma)", in: database) }
        // The first read of the file: it shows what is no database.
        try execute("SELECT 1 FROM sqlite_schema LIMIT 1", in: database)
        if let limit = settings.maximumBytes {
            try execute("PRAGMA max_page_count = \(limit / pageBytes(of: database))", in: database)
        }
        // Changes the file, where it is not so already.
        guard settings.setsJournalMode else { return }
        var mode = ""
        try SQLiteStatement("PRAGMA journal_mode = WAL", in: database).scan {
            mode = $0.text(0)
            return true
        }
        guard mode == "wal" else { throw SQLiteError(code: SQLITE_CANTOPEN) }
    }

    fileprivate static func execute(_ sql: String, in database: OpaquePointer) throws(SQLiteError) {
        let code = sqlite3_exec(database, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw SQLiteError(code: code) }
    }

    static func pageBytes(of database: OpaquePointer) throws(SQLiteError) -> Int {
        var bytes = 0
        try SQLiteStatement("PRAGMA page_size", in: database).scan {
            bytes = Int($0.integer(0))
            return true
        }
        guard bytes > 0 else { throw SQLiteError(code: SQLITE_CORRUPT) }
        return bytes
    }
}

/// A connection for the time that one ``SQLiteConnection/run(_:)`` lasts.
package struct SQLiteSession: ~Copyable {
    fileprivate let database: OpaquePointer
    fileprivate let connection: SQLiteConnection

    /// The size of the log as of this connection's last commit.
    package var logBytes: Int { connection.log.bytes }

    /// The statement for a query that is used again and again.
    package func statement(_ query: SQLiteQuery) throws(SQLiteError) -> SQLiteStatement {
        try connection.statement(query, database)
    }

    /// A statement for this once.
    package func statement(once sql: String) throws(SQLiteError) -> SQLiteStatement {
        try SQLiteStatement(sql, in: database)
    }

    /// Runs statements that take and give no values, separated by semicolons.
    package func execute(_ sql: String) throws(SQLiteError) {
        try SQLiteConnection.execute(sql, in: database)
    }

    /// Runs a statement with what is bound.
    ///
    /// - Returns: what `coffer_note(x)`, which is x in the statement, was given last;
    ///   nil if it was not called. So a change tells of the row that it found:
    ///   RETURNING would make a temporary table each time, and a statement of its own
    ///   has to find the row anew.
    package func noted(by statement: SQLiteStatement) throws(SQLiteError) -> Int64? {
        connection.note.value = nil
        try statement.run()
        return connection.note.value
    }

    /// How many rows the last statement changed.
    package var changes: Int { Int(sqlite3_changes(database)) }

    /// Runs `body` in one transaction, durable when this returns.
    ///
    /// After an error nothing of it has happened, unless the error came from
    /// the commit itself and is `.inputOutput`: then nobody knows.
    package func transaction<R>(
        _ body: () throws(SQLiteError) -> R
    ) throws(SQLiteError) -> R {
        try statement(Self.begin).run()
        do {
            let result = try body()
            try statement(Self.commit).run()
            return result
        } catch {
            // SQLite may have rolled back by itself; the first error counts.
            if isInTransaction { try? statement(Self.rollback).run() }
            guard !isInTransaction else { throw SQLiteError(code: SQLITE_IOERR) }
            throw error
        }
    }

    private var isInTransaction: Bool { sqlite3_get_autocommit(database) == 0 }

    private static let begin = SQLiteQuery("BEGIN IMMEDIATE")
    private static let commit = SQLiteQuery("COMMIT")
    private static let rollback = SQLiteQuery("ROLLBACK")

    /// Copies the log into the database file; with `truncating`, empties it.
    ///
    /// - Returns: pages left in the log that are not in the file yet.
    package func checkpoint(truncating: Bool) throws(SQLiteError) -> Int {
        var logged: Int32 = 0
        var copied: Int32 = 0
        let code = sqlite3_wal_checkpoint_v2(
            database, "main",
            truncating ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &logged, &copied)
        guard code == SQLITE_OK else {
            throw SQLiteError(code: sqlite3_extended_errcode(database))
        }
        return Int(max(0, logged - copied))
    }
}
