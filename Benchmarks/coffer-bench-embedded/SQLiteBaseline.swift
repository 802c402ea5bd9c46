import CofferCore
import CofferVault
import CSQLite

/// SQLite as a C program would use it, on a file that EmbeddedVault made.
final class SQLiteBaseline {
    private static let settings = [
        "trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0", "secure_delete = ON",
        "journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 1000",
        "journal_size_limit = 16777216", "cache_size = -4096",
    ]
    private static let upsert = """
        INSERT INTO records (user_tag, tag, version, created, updated, expires, payload)
        VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6)
        ON CONFLICT DO UPDATE SET version = ?3, updated = ?4, expires = ?5, payload = ?6
        """

    private var handle: OpaquePointer?
    private var begin: OpaquePointer?
    private var commit: OpaquePointer?
    private var write: OpaquePointer?

    init(path: String) {
        check(sqlite3_open_v2(path, &handle, SQLITE_OPEN_READWRITE, "unix-excl"))
        for setting in Self.settings { check(sqlite3_exec(handle, "PRAGMA \(setting)", nil, nil, nil)) }
        begin = prepare("BEGIN IMMEDIATE")
        commit = prepare("COMMIT")
        write = prepare(Self.upsert)
    }

    /// Records per second, `group` of them in each transaction.
    func measure(_ keys: ArraySlice<VaultKey>, group: Int) -> Double {
        let clock = SystemClock()
        let start = clock.boot
        var index = keys.startIndex
        while index < keys.endIndex {
            run(begin)
            let end = min(index + group, keys.endIndex)
            while index < end {
                upsert(keys[index], makeItem(index))
                index += 1
            }
            run(commit)
        }
        return Double(keys.count) * 1e9 / Double(clock.boot.nanoseconds - start.nanoseconds)
    }

    private func upsert(_ key: VaultKey, _ item: VaultItem) {
        bind(1, key.userTag)
        bind(2, key.tag)
        var version = item.version
        version.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) {
                // Static binding: run() comes later, so the copy is needed here.
                check(sqlite3_bind_text(write, 3, $0.baseAddress, Int32($0.count), transient))
            }
        }
        check(sqlite3_bind_int64(write, 4, Int64(item.updatedAt)))
        check(sqlite3_bind_int64(write, 5, Int64(item.expiresAt)))
        bind(6, item.payload.envelope ?? [])
        run(write)
    }

    private let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

    private func bind(_ index: Int32, _ bytes: [UInt8]) {
        check(sqlite3_bind_blob(write, index, bytes, Int32(bytes.count), transient))
    }

    private func run(_ statement: OpaquePointer?) {
        let code = sqlite3_step(statement)
        precondition(code == SQLITE_DONE, "SQLite: code \(code)")
        sqlite3_reset(statement)
    }

    private func prepare(_ sql: String) -> OpaquePointer? {
        var statement: OpaquePointer?
        check(sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil))
        return statement
    }

    private func check(_ code: Int32) {
        precondition(code == SQLITE_OK, "SQLite: code \(code)")
    }
}
