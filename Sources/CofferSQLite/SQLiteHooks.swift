internal import CSQLite

/// The last value of `coffer_note`.
final class Note {
    @exclusivity(unchecked) var value: Int64?

    /// The connection keeps this for as long as one of its statements may call the function.
    func offer(to database: OpaquePointer) throws(SQLiteError) {
        let context = Unmanaged.passRetained(self).toOpaque()
        // Direct only: of a crafted schema no view, trigger or default calls it.
        let code = sqlite3_create_function_v2(
            database, "coffer_note", 1, SQLITE_UTF8 | SQLITE_DIRECTONLY, context,
            { call, _, values in
                let value = sqlite3_value_int64(values![0])
                Unmanaged<Note>.fromOpaque(sqlite3_user_data(call)!).takeUnretainedValue().value = value
                sqlite3_result_int64(call, value)
            }, nil, nil, { Unmanaged<Note>.fromOpaque($0!).release() })
        guard code == SQLITE_OK else { throw SQLiteError(code: code) }
    }
}

/// The pages in the log: SQLite tells their number to a hook after each commit.
final class LogSize {
    private var pages = 0
    private var pageBytes = 0

    /// The log has a header of 32 bytes, each page in it one of 24 (SQLite's file format, section 4.1).
    var bytes: Int { 32 + pages * (24 + pageBytes) }

    /// The owner of this keeps it until ``leave(_:)``.
    func follow(_ database: OpaquePointer) throws(SQLiteError) {
        pageBytes = try SQLiteConnection.pageBytes(of: database)
        let context = Unmanaged.passUnretained(self).toOpaque()
        sqlite3_wal_hook(
            database,
            { context, _, _, pages in
                Unmanaged<LogSize>.fromOpaque(context!).takeUnretainedValue().pages = Int(pages)
                return SQLITE_OK
            }, context)
    }

    /// Removes the hook: later commits do not call it.
    func leave(_ database: OpaquePointer?) { sqlite3_wal_hook(database, nil, nil) }
}
