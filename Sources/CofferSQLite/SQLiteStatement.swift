internal import GRDB
internal import GRDBSQLite

/// The text of a statement. Connections compile each at its first use and keep
/// it, told apart by identity: hashing the text would cost more than binding.
package final class SQLiteQuery: Sendable {
    package let sql: String

    package init(_ sql: String) { self.sql = sql }
}

/// A prepared statement of one connection.
///
/// GRDB compiles it; values go in and out through SQLite's own calls, because
/// GRDB's way through `Data` and boxed values costs more than most of our
/// statements do. Only the connection's ``SQLiteSession`` hands it out.
package final class SQLiteStatement {
    private let compiled: Statement
    private let handle: OpaquePointer

    /// - Throws: SQLite's code, if `sql` does not compile.
    init(_ sql: String, in database: Database) throws(SQLiteError) {
        compiled = try SQLiteError.wrapping { try database.makeStatement(sql: sql) }
        handle = compiled.sqliteStatement
    }

    // SQLite copies what is bound, so nothing has to outlive the call. A refused
    // binding (no memory, too long) leaves NULL, which our tables refuse.

    package func bind(_ index: Int32, _ value: Int64) {
        sqlite3_bind_int64(handle, index, value)
    }

    package func bind(_ index: Int32, _ value: String) {
        var value = value
        value.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) {
                _ = sqlite3_bind_text(handle, index, $0.baseAddress, Int32($0.count), Self.transient)
            }
        }
    }

    package func bind(_ index: Int32, _ value: [UInt8]) {
        value.withUnsafeBytes {
            // A null pointer would bind NULL, also for an empty array.
            _ = $0.isEmpty
                ? sqlite3_bind_zeroblob(handle, index, 0)
                : sqlite3_bind_blob(handle, index, $0.baseAddress, Int32($0.count), Self.transient)
        }
    }

    private static let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

    /// Runs the statement with what is bound, to its end.
    package func run() throws(SQLiteError) {
        try scan { _ in true }
    }

    /// Runs the statement with what is bound, until `row` returns false or there
    /// are no more rows.
    ///
    /// - Returns: how many rows `row` was given.
    @discardableResult
    package func scan(_ row: (borrowing SQLiteRow) -> Bool) throws(SQLiteError) -> Int {
        // The code of reset repeats that of the step before it.
        defer { sqlite3_reset(handle) }
        var rows = 0
        while true {
            switch sqlite3_step(handle) {
            case SQLITE_ROW:
                rows += 1
                guard row(SQLiteRow(handle: handle)) else { return rows }
            case SQLITE_DONE:
                return rows
            case let code:
                throw SQLiteError(code: code)
            }
        }
    }
}

/// The current row of a statement. Only to be used inside the closure that got it.
///
/// A column of another type than asked for is converted the way SQLite does;
/// STRICT tables keep that from happening.
package struct SQLiteRow: ~Copyable {
    private let handle: OpaquePointer

    fileprivate init(handle: OpaquePointer) { self.handle = handle }

    package func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }

    package func text(_ column: Int32) -> String {
        guard let start = sqlite3_column_text(handle, column) else { return "" }
        let count = Int(sqlite3_column_bytes(handle, column))
        return String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    }

    package func blob(_ column: Int32) -> [UInt8] {
        guard let start = sqlite3_column_blob(handle, column) else { return [] }
        return [UInt8](
            UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, column))))
    }
}
