internal import CSQLite
internal import Synchronization

/// The text of a statement. Connections compile each at its first use and keep
/// it under its number: hashing the text would cost more than binding. For the few
/// queries that a program has, each made once.
package final class SQLiteQuery: Sendable {
    package let sql: String
    let number: Int

    private static let made = Atomic(0)

    package init(_ sql: String) {
        self.sql = sql
        number = Self.made.wrappingAdd(1, ordering: .relaxed).oldValue
    }
}

/// A prepared statement of one connection. Only the connection's ``SQLiteSession``
/// hands it out.
package final class SQLiteStatement {
    private let handle: OpaquePointer
    /// What is bound, by its index.
    @exclusivity(unchecked) private var bound: [UnsafeMutableRawBufferPointer] = []
    /// Bound values up to this many bytes have a place that is kept.
    private static let keptBytes = 16 << 10

    /// - Parameters:
    ///   - sql: one statement.
    ///   - isKept: it will be used again and again.
    /// - Throws: SQLite's code, if `sql` does not compile.
    init(_ sql: String, in database: OpaquePointer, isKept: Bool = false) throws(SQLiteError) {
        var sql = sql
        var compiled: OpaquePointer?
        let code = sql.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { text in
                sqlite3_prepare_v3(
                    database, text.baseAddress, Int32(text.count), isKept ? UInt32(SQLITE_PREPARE_PERSISTENT) : 0,
                    &compiled, nil)
            }
        }
        guard code == SQLITE_OK else { throw SQLiteError(code: code) }
        // A comment compiles to none.
        guard let compiled else { throw SQLiteError(code: SQLITE_ERROR) }
        handle = compiled
    }

    deinit {
        sqlite3_finalize(handle)
        for place in bound { place.deallocate() }
    }

    // What is bound is copied, so nothing has to outlive the call. A refused
    // binding (no memory, too long) leaves NULL, which our tables refuse.

    package func bind(_ index: Int32, _ value: Int64) {
        sqlite3_bind_int64(handle, index, value)
    }

    package func bind(_ index: Int32, _ value: String) {
        var value = value
        value.withUTF8 { bytes in
            let (start, life) = keep(UnsafeRawBufferPointer(bytes), at: index)
            sqlite3_bind_text(
                handle, index, start?.assumingMemoryBound(to: CChar.self), Int32(bytes.count), life)
        }
    }

    package func bind(_ index: Int32, _ value: [UInt8]) {
        value.withUnsafeBytes { bytes in
            // A null pointer would bind NULL, also for an empty array.
            guard !bytes.isEmpty else { return _ = sqlite3_bind_zeroblob(handle, index, 0) }
            let (start, life) = keep(bytes, at: index)
            sqlite3_bind_blob(handle, index, start, Int32(bytes.count), life)
        }
    }

    /// Copies the value to the place for this index. SQLite's own copies would be
    /// allocated and freed with each use.
    ///
    /// - Returns: where SQLite finds it, and whether it is to copy it after all.
    private func keep(
        _ value: UnsafeRawBufferPointer, at index: Int32
    ) -> (UnsafeRawPointer?, sqlite3_destructor_type?) {
        guard value.count <= Self.keptBytes else { return (value.baseAddress, Self.transient) }
        precondition(sqlite3_stmt_busy(handle) == 0, "values are bound before a statement runs")
        while bound.count <= index { bound.append(.init(start: nil, count: 0)) }
        // Also for none: a null pointer would bind NULL.
        if bound[Int(index)].baseAddress == nil || bound[Int(index)].count < value.count {
            bound[Int(index)].deallocate()
            bound[Int(index)] = .allocate(byteCount: max(1, value.count), alignment: 8)
        }
        bound[Int(index)].copyMemory(from: value)
        return (UnsafeRawPointer(bound[Int(index)].baseAddress), nil)
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
