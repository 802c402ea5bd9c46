internal import GRDB
internal import GRDBSQLite

/// A prepared statement of one connection.
///
/// GRDB compiles it; values go in and out through SQLite's own calls, because
/// GRDB's way through `Data` and boxed values costs more than most of our
/// statements do. Only the connection's ``SQLiteSession`` hands it out.
package final class SQLiteStatement {
    private let compiled: Statement

    /// - Throws: SQLite's code, if `sql` does not compile.
    init(_ sql: String, in database: Database) throws(SQLiteError) {
        compiled = try SQLiteError.wrapping { try database.makeStatement(sql: sql) }
    }

    /// Runs the statement to its end, calling `row` for each row.
    ///
    /// - Parameter values: for `?1`, `?2`, …
    /// - Returns: how many rows there were.
    @discardableResult
    package func run(
        _ values: [SQLiteValue] = [], row: (borrowing SQLiteRow) -> Void = { _ in }
    ) throws(SQLiteError) -> Int {
        try scan(values) {
            row($0)
            return true
        }
    }

    /// Runs the statement until `row` returns false or there are no more rows.
    ///
    /// - Returns: how many rows `row` was given.
    @discardableResult
    package func scan(
        _ values: [SQLiteValue], row: (borrowing SQLiteRow) -> Bool
    ) throws(SQLiteError) -> Int {
        let handle = compiled.sqliteStatement
        defer {
            // The code of reset repeats that of the step before it.
            _ = sqlite3_reset(handle)
            _ = sqlite3_clear_bindings(handle)
        }
        for (index, value) in values.enumerated() {
            let code = value.bind(to: handle, at: Int32(index + 1))
            guard code == SQLITE_OK else { throw SQLiteError(code: code) }
        }
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

/// A value to bind.
package enum SQLiteValue: Sendable {
    case integer(Int64)
    case text(String)
    case blob([UInt8])

    /// SQLite copies the bytes, so nothing has to outlive the call.
    fileprivate func bind(to handle: OpaquePointer, at index: Int32) -> Int32 {
        let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        switch self {
        case .integer(let value):
            return sqlite3_bind_int64(handle, index, value)
        case .text(var value):
            return value.withUTF8 { bytes in
                bytes.withMemoryRebound(to: CChar.self) {
                    sqlite3_bind_text(handle, index, $0.baseAddress, Int32($0.count), transient)
                }
            }
        case .blob(let value):
            return value.withUnsafeBytes {
                // A null pointer would bind NULL, also for an empty array.
                $0.isEmpty
                    ? sqlite3_bind_zeroblob(handle, index, 0)
                    : sqlite3_bind_blob(handle, index, $0.baseAddress, Int32($0.count), transient)
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
