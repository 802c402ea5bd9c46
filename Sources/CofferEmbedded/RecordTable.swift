internal import CofferCore
internal import CofferSQLite
internal import CofferVault
internal import CofferVaultKit

/// The records as the database keeps them.
///
/// One B-tree holds the rows in the order they came, so that new ones share
/// pages and long payloads stay out of the index; the other is the key. The key
/// starts with the user, so it is the order of listing too, and no third tree
/// has to be written. Measured in groups of 16 (256-byte credentials, pages of 4 KiB,
/// rows found by a statement of their own): 44,000 new rows per second, against 24,000
/// with separate indexes on `tag` and `user_tag`, and 27,000 WITHOUT ROWID; replacing
/// costs a sixth more than WITHOUT ROWID.
enum RecordTable {
    static let schema = [
        """
        CREATE TABLE records (
          user_tag BLOB NOT NULL,
          tag BLOB NOT NULL,
          version TEXT NOT NULL,
          created INTEGER NOT NULL,
          updated INTEGER NOT NULL,
          expires INTEGER NOT NULL,
          payload BLOB NOT NULL,
          PRIMARY KEY (user_tag, tag)
        ) STRICT
        """,
        "CREATE INDEX records_expiring ON records (expires) WHERE expires > 0",
    ]

    private static let live = "(expires = 0 OR expires > ?3)"

    static let read = SQLiteQuery(
        """
        SELECT version, created, updated, expires, payload FROM records
        WHERE user_tag = ?1 AND tag = ?2 AND \(live)
        """)

    static let find = SQLiteQuery(
        """
        SELECT rowid, expires, version FROM records WHERE user_tag = ?1 AND tag = ?2
        """)
    static let insert = SQLiteQuery(
        """
        INSERT INTO records (user_tag, tag, version, created, updated, expires, payload)
        VALUES (?6, ?7, ?1, ?2, ?3, ?4, ?5)
        """)
    /// Keeps when a live record came to be, and notes it; ?8 is now.
    static let replace = SQLiteQuery(
        """
        UPDATE records SET version = ?1, updated = ?3, expires = ?4, payload = ?5,
          created = coffer_note(CASE WHEN expires = 0 OR expires > ?8 THEN created ELSE ?2 END)
        WHERE user_tag = ?6 AND tag = ?7
        """)
    static let remove = SQLiteQuery("DELETE FROM records WHERE rowid = ?1")

    static let listAll = SQLiteQuery(
        """
        SELECT version, created, updated, expires, payload, tag, user_tag FROM records
        WHERE (user_tag, tag) > (?1, ?2) AND \(live) ORDER BY user_tag, tag LIMIT ?4
        """)
    static let listUser = SQLiteQuery(
        """
        SELECT version, created, updated, expires, payload, tag, user_tag FROM records
        WHERE user_tag = ?1 AND tag > ?2 AND \(live) ORDER BY tag LIMIT ?4
        """)

    static let sweep = SQLiteQuery(
        """
        DELETE FROM records WHERE rowid IN (
          SELECT rowid FROM records WHERE expires > 0 AND expires <= ?1 LIMIT ?2)
        """)

    /// Another value each time: SQLite writes nothing where nothing changes. As large as a sealed
    /// credential of 64 KiB, for a full disk may have room for less.
    static let largeProbe = SQLiteQuery(
        """
        INSERT INTO meta (name, value) VALUES ('probe', randomblob(66000))
        ON CONFLICT (name) DO UPDATE SET value = excluded.value
        """)
    /// A row of its own, which keeps the large one where it is: one page is written.
    static let smallProbe = SQLiteQuery(
        """
        INSERT INTO meta (name, value) VALUES ('pulse', randomblob(8))
        ON CONFLICT (name) DO UPDATE SET value = excluded.value
        """)
    static let probe = SQLiteQuery("SELECT 1 FROM records LIMIT 1")
}

/// `now` is the wall clock in all of these; what has expired by it is absent.
extension SQLiteSession {
    func record(_ key: VaultKey, now: WallMilliseconds) throws(SQLiteError) -> VaultItem? {
        let read = try statement(RecordTable.read)
        read.bind(1, key.userTag)
        read.bind(2, key.tag)
        read.bind(3, Int64(clamping: now))
        var item: VaultItem?
        try read.scan {
            item = Self.item($0)
            return false
        }
        return item
    }

    /// - Returns: when the record came to be, or nil if the condition is not met.
    func write(_ write: RowWrite, now: WallMilliseconds) throws(SQLiteError) -> WallMilliseconds? {
        guard try isMet(write.condition, write, now: now) else { return nil }
        let replace = try statement(RecordTable.replace)
        replace.bind(8, Int64(clamping: now))
        Self.bind(write, to: replace)
        if let created = try noted(by: replace) { return WallMilliseconds(clamping: created) }
        let insert = try statement(RecordTable.insert)
        Self.bind(write, to: insert)
        try insert.run()
        return write.updatedAt
    }

    private func isMet(
        _ condition: WriteCondition, _ write: RowWrite, now: WallMilliseconds
    ) throws(SQLiteError) -> Bool {
        switch condition {
        case .none:
            return true
        case .ifAbsent:
            let row = try find(write.userTag, write.tag)
            return row?.isLive(at: now) != true
        case .ifVersion(let version):
            let row = try find(write.userTag, write.tag)
            return row?.isLive(at: now) == true && row?.version.hasSameBytes(as: version) == true
        }
    }

    private static func bind(_ write: RowWrite, to statement: SQLiteStatement) {
        statement.bind(1, write.version)
        statement.bind(2, Int64(clamping: write.updatedAt))
        statement.bind(3, Int64(clamping: write.updatedAt))
        statement.bind(4, Int64(clamping: write.expiresAt))
        statement.bind(5, write.payload)
        statement.bind(6, write.userTag)
        statement.bind(7, write.tag)
    }

    /// - Returns: whether a live record was removed; nil if it had another version.
    func remove(
        _ key: VaultKey, ifVersion: String?, now: WallMilliseconds
    ) throws(SQLiteError) -> Bool? {
        guard let row = try find(key.userTag, key.tag) else { return false }
        let isLive = row.isLive(at: now)
        if isLive, let ifVersion, !row.version.hasSameBytes(as: ifVersion) { return nil }
        let remove = try statement(RecordTable.remove)
        remove.bind(1, row.id)
        try remove.run()
        return isLive
    }

    private func find(_ userTag: [UInt8], _ tag: [UInt8]) throws(SQLiteError) -> RecordRow? {
        let find = try statement(RecordTable.find)
        find.bind(1, userTag)
        find.bind(2, tag)
        var found: RecordRow?
        try find.scan {
            found = RecordRow(
                id: $0.integer(0), expires: WallMilliseconds(clamping: $0.integer(1)), version: $0.text(2))
            return false
        }
        return found
    }

    /// Removes at most `limit` expired records; returns how many.
    func sweep(limit: Int, now: WallMilliseconds) throws(SQLiteError) -> Int {
        let sweep = try statement(RecordTable.sweep)
        sweep.bind(1, Int64(clamping: now))
        sweep.bind(2, Int64(limit))
        try sweep.run()
        return changes
    }

    /// From the columns version, created, updated, expires, payload. A damaged time
    /// is cut to what a time can be: the sealed ones count for readers.
    static func item(_ row: borrowing SQLiteRow) -> VaultItem {
        VaultItem(
            payload: .sealed(row.blob(4)), version: row.text(0),
            createdAt: WallMilliseconds(clamping: row.integer(1)), updatedAt: WallMilliseconds(clamping: row.integer(2)),
            expiresAt: WallMilliseconds(clamping: row.integer(3)))
    }
}

/// What a change has to know of the row that is there, live or expired.
private struct RecordRow {
    let id: Int64
    let expires: WallMilliseconds
    let version: String

    func isLive(at now: WallMilliseconds) -> Bool { expires == 0 || now < expires }
}
