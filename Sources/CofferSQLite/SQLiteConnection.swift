internal import CSQLiteShims
internal import Foundation
internal import GRDB
internal import GRDBSQLite

/// One connection to a database file, hardened against its content: the file
/// is not trusted, only our keys are.
///
/// Every use goes through ``run(_:)``, one at a time.
package final class SQLiteConnection: @unchecked Sendable {
    // The variables are touched only inside `queue`, which is serial: that makes
    // the class safe to share.
    private let queue: DatabaseQueue
    /// By the number of their query.
    @exclusivity(unchecked) private var statements: [SQLiteStatement?] = []
    private var isClosed = false
    fileprivate let log = LogSize()
    fileprivate let note = Note()

    /// Opens the file, which must exist.
    ///
    /// - Throws: SQLite's code: `.damaged` for what is no database, `.locked`
    ///   if another process has it open, `.denied` if it cannot be opened,
    ///   `.unsupported` if SQLite has no such VFS.
    package init(path: String, settings: SQLiteSettings) throws(SQLiteError) {
        var configuration = Configuration()
        configuration.foreignKeysEnabled = false
        // Its check for open transactions would end the process; ours is below.
        configuration.allowsUnsafeTransactions = true
        configuration.busyMode = .timeout(settings.lockTimeoutSeconds)
        configuration.prepareDatabase { try Self.harden($0, settings) }
        let uri = Self.uri(path: path, vfs: try Self.joiningLog(over: settings.vfs))
        queue = try SQLiteError.wrapping {
            try DatabaseQueue(path: uri, configuration: configuration)
        }
        try SQLiteError.wrapping {
            try queue.inDatabase {
                try log.follow($0)
                try note.offer(to: $0)
            }
        }
    }

    /// Runs `body` with the connection to itself, and waits for it.
    package func run<R>(
        _ body: (borrowing SQLiteSession) throws(SQLiteError) -> R
    ) throws(SQLiteError) -> R {
        try SQLiteError.wrapping {
            try queue.inDatabase { database in
                guard !isClosed else { throw SQLiteError(code: SQLITE_MISUSE) }
                return try body(SQLiteSession(database: database, connection: self))
            }
        }
    }

    /// Lets go of the file. Any later use throws `.closed`.
    package func close() throws(SQLiteError) {
        queue.inDatabase { _ in
            isClosed = true
            statements.removeAll()
        }
        try SQLiteError.wrapping { try queue.close() }
    }

    /// Called inside `queue` only.
    fileprivate func statement(
        _ query: SQLiteQuery, _ database: Database
    ) throws(SQLiteError) -> SQLiteStatement {
        if query.number < statements.count, let known = statements[query.number] { return known }
        let new = try SQLiteStatement(query.sql, in: database)
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

    /// An absolute path as SQLite's URI. The VFS is named in it because GRDB
    /// has no other way to choose one.
    private static func uri(path: String, vfs: String) -> String {
        let escaped = path.addingPercentEncoding(withAllowedCharacters: .urlPathAllowed) ?? path
        return "file:\(escaped)?mode=rw&vfs=\(vfs)"
    }

    private static func harden(_ database: Database, _ settings: SQLiteSettings) throws {
        guard let handle = database.sqliteConnection else { throw SQLiteError(code: SQLITE_MISUSE) }
        for (limit, value) in settings.limits { sqlite3_limit(handle, limit, value) }
        for (option, on) in settings.switches {
            // sqlite3_db_config is variadic, out of Swift's reach; GRDB's own
            // wrapper covers double-quoted strings only.
            let code = coffer_sqlite_switch(UnsafeMutableRawPointer(handle), option, on ? 1 : 0)
            guard code == SQLITE_OK else { throw SQLiteError(code: code) }
        }
        // GRDB's hooks serve its observers, of which there are none.
        sqlite3_commit_hook(handle, nil, nil)
        sqlite3_rollback_hook(handle, nil, nil)
        for pragma in settings.pragmas { try database.execute(sql: "PRAGMA \(pragma)") }
        if let limit = settings.maximumBytes {
            try database.execute(sql: "PRAGMA max_page_count = \(limit / pageBytes(of: database))")
        }
        // Changes the file, where it is not so already.
        guard settings.setsJournalMode else { return }
        let mode = try String.fetchOne(database, sql: "PRAGMA journal_mode = WAL")
        guard mode == "wal" else { throw SQLiteError(code: SQLITE_CANTOPEN) }
    }

    fileprivate static func pageBytes(of database: Database) throws -> Int {
        guard let bytes = try Int.fetchOne(database, sql: "PRAGMA page_size"), bytes > 0 else {
            throw SQLiteError(code: SQLITE_CORRUPT)
        }
        return bytes
    }
}

/// A connection for the time that one ``SQLiteConnection/run(_:)`` lasts.
package struct SQLiteSession: ~Copyable {
    fileprivate let database: Database
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
        try SQLiteError.wrapping { try database.execute(sql: sql) }
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
    package var changes: Int { database.changesCount }

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
            if database.isInsideTransaction { try? statement(Self.rollback).run() }
            guard !database.isInsideTransaction else { throw SQLiteError(code: SQLITE_IOERR) }
            throw error
        }
    }

    // GRDB would compile these anew each time.
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
            database.sqliteConnection, "main",
            truncating ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &logged, &copied)
        guard code == SQLITE_OK else {
            throw SQLiteError(code: sqlite3_extended_errcode(database.sqliteConnection))
        }
        return Int(max(0, logged - copied))
    }
}

/// The last value of `coffer_note`.
private final class Note {
    @exclusivity(unchecked) var value: Int64?

    /// The owner of this keeps it until the connection is closed.
    func offer(to database: Database) throws {
        let context = Unmanaged.passUnretained(self).toOpaque()
        // Direct only: of a crafted schema no view, trigger or default calls it.
        let code = sqlite3_create_function_v2(
            database.sqliteConnection, "coffer_note", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, context,
            { call, _, values in
                let value = sqlite3_value_int64(values![0])
                Unmanaged<Note>.fromOpaque(sqlite3_user_data(call)!).takeUnretainedValue().value = value
                sqlite3_result_int64(call, value)
            }, nil, nil, nil)
        guard code == SQLITE_OK else { throw SQLiteError(code: code) }
    }
}

/// The pages in the log: SQLite tells their number to a hook after each commit.
private final class LogSize {
    private var pages = 0
    private var pageBytes = 0

    /// The log has a header of 32 bytes, each page in it one of 24 (SQLite's file format, section 4.1).
    var bytes: Int { 32 + pages * (24 + pageBytes) }

    /// The owner of this keeps it until the connection is closed.
    func follow(_ database: Database) throws {
        pageBytes = try SQLiteConnection.pageBytes(of: database)
        let context = Unmanaged.passUnretained(self).toOpaque()
        sqlite3_wal_hook(
            database.sqliteConnection,
            { context, _, _, pages in
                Unmanaged<LogSize>.fromOpaque(context!).takeUnretainedValue().pages = Int(pages)
                return SQLITE_OK
            }, context)
    }
}
