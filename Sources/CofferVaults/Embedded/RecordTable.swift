internal import CofferCore
internal import CofferSQLite
internal import CofferVault

/// The records as the database keeps them.
///
/// One B-tree holds the rows in the order they came, so that new ones share
/// pages and long payloads stay out of the index; the other is the key. The key
/// starts with the user, so it is the order of listing too, and no third tree
/// has to be written. Measured in groups of 16 (256-byte credentials): 44,000
/// new rows per second, against 24,000 with separate indexes on `tag` and
/// `user_tag`, and 27,000 WITHOUT ROWID; replacing costs a sixth more than
/// WITHOUT ROWID.
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

    static let read = """
        SELECT version, created, updated, expires, payload FROM records
        WHERE user_tag = ?1 AND tag = ?2 AND \(live)
        """

    /// Keeps `created` of a live row. No row comes back from `insertIfAbsent`
    /// if a live one is in the way.
    static let replace = """
        INSERT INTO records (user_tag, tag, version, created, updated, expires, payload)
        VALUES (?1, ?2, ?4, ?5, ?5, ?6, ?7)
        ON CONFLICT DO UPDATE SET
          version = ?4, created = iif(\(live), created, ?5), updated = ?5, expires = ?6, payload = ?7
        """
    static let insertIfAbsent = "\(replace) WHERE NOT \(live) RETURNING created"
    static let replaceReturning = "\(replace) RETURNING created"
    static let replaceIfVersion = """
        UPDATE records SET version = ?4, updated = ?5, expires = ?6, payload = ?7
        WHERE user_tag = ?1 AND tag = ?2 AND \(live) AND version = ?8
        RETURNING created
        """

    static let remove = "DELETE FROM records WHERE user_tag = ?1 AND tag = ?2 RETURNING expires"

    static let listAll = """
        SELECT version, created, updated, expires, payload, tag, user_tag FROM records
        WHERE (user_tag, tag) > (?1, ?2) AND \(live) ORDER BY user_tag, tag LIMIT ?4
        """
    static let listUser = """
        SELECT version, created, updated, expires, payload, tag, user_tag FROM records
        WHERE user_tag = ?1 AND tag > ?2 AND \(live) ORDER BY tag LIMIT ?4
        """

    static let sweep = """
        DELETE FROM records WHERE rowid IN (
          SELECT rowid FROM records WHERE expires > 0 AND expires <= ?1 LIMIT ?2)
        """

    static let probe = "SELECT 1 FROM records LIMIT 1"
}

/// `now` is the wall clock in all of these; what has expired by it is absent.
extension SQLiteSession {
    func record(_ key: VaultKey, now: WallMilliseconds) throws(SQLiteError) -> VaultItem? {
        var item: VaultItem?
        try statement(RecordTable.read).run(Self.key(key, now)) { item = Self.item($0) }
        return item
    }

    /// - Returns: when the record came to be, or nil if the condition is not met.
    func write(
        _ key: VaultKey, _ item: VaultItem, _ condition: WriteCondition, now: WallMilliseconds
    ) throws(SQLiteError) -> WallMilliseconds? {
        var values =
            Self.key(key, now) + [
                .text(item.version), .integer(Int64(clamping: item.updatedAt)),
                .integer(Int64(clamping: item.expiresAt)), .blob(item.payload),
            ]
        let sql: String
        switch condition {
        case .none: sql = RecordTable.replaceReturning
        case .ifAbsent: sql = RecordTable.insertIfAbsent
        case .ifVersion(let version):
            sql = RecordTable.replaceIfVersion
            values.append(.text(version))
        }
        var created: WallMilliseconds?
        try statement(sql).run(values) { created = WallMilliseconds($0.integer(0)) }
        return created
    }

    /// - Returns: whether a live record was removed; nil if it had another version.
    func remove(
        _ key: VaultKey, ifVersion: String?, now: WallMilliseconds
    ) throws(SQLiteError) -> Bool? {
        if let ifVersion {
            guard let found = try record(key, now: now) else { return false }
            guard found.version == ifVersion else { return nil }
        }
        var removed = false
        try statement(RecordTable.remove).run([.blob(key.userTag), .blob(key.tag)]) {
            let expires = WallMilliseconds($0.integer(0))
            removed = expires == 0 || now < expires
        }
        return removed
    }

    /// Removes at most `limit` expired records; returns how many.
    func sweep(limit: Int, now: WallMilliseconds) throws(SQLiteError) -> Int {
        try statement(RecordTable.sweep).run([
            .integer(Int64(clamping: now)), .integer(Int64(limit)),
        ])
        return changes
    }

    private static func key(_ key: VaultKey, _ now: WallMilliseconds) -> [SQLiteValue] {
        [.blob(key.userTag), .blob(key.tag), .integer(Int64(clamping: now))]
    }

    /// From the columns version, created, updated, expires, payload.
    static func item(_ row: borrowing SQLiteRow) -> VaultItem {
        VaultItem(
            payload: row.blob(4), version: row.text(0),
            createdAt: WallMilliseconds(row.integer(1)), updatedAt: WallMilliseconds(row.integer(2)),
            expiresAt: WallMilliseconds(row.integer(3)))
    }
}
