/// A statement that each connection prepares when it first needs it.
struct PostgresStatement: Sendable {
    let name: String
    let sql: String
}

/// What calls ask, each in one round trip. Times are the daemon's: a record expires by its clock.
struct PostgresStatements: Sendable {
    /// Records that one sweep removes at most.
    static let sweepSize: Int64 = 500
    /// A page ends with the record that makes it as large as this: libpq holds all rows of an answer in memory.
    static let pageBytes = 4 << 20
    /// A record stays in the table for so long after its expiry: the clocks of hosts differ.
    static let sweepGraceMilliseconds: Int64 = 60_000

    /// $1 = name, $2 = now.
    let read: PostgresStatement
    /// $1 = names, $2 = now.
    let readMany: PostgresStatement
    /// $1 = name, $2 = version, $3 = envelope, $4 = updated, $5 = expires, $6 = now; the last one also $7, the version that
    /// is to be there. A row with the creation time is the sign that it was written.
    let write: PostgresStatement
    let writeIfAbsent: PostgresStatement
    let writeIfVersion: PostgresStatement
    /// $1 = name, $2 = now. A row for a record that was there, with whether it was live.
    let remove: PostgresStatement
    /// $1 = name, $2 = now, $3 = version. One row: how many live ones were there, and how many were removed.
    let removeIfVersion: PostgresStatement
    /// $1 = behind which name, $2 = before which, $3 = now, $4 = how many to find. Gives as many of them as a page holds, each
    /// with how many were found.
    let list: PostgresStatement
    /// $1 = the time until which records have expired.
    let sweep: PostgresStatement
    /// $1 = a name.
    let check: PostgresStatement

    init(_ tables: PostgresTables) {
        let table = tables.records
        let columns = "name, version, envelope, created_ms, updated_ms, expires_ms"
        func live(_ now: String) -> String { "(c.expires_ms = 0 OR c.expires_ms > \(now))" }
        func select(_ condition: String, _ now: String) -> String {
            "SELECT \(columns) FROM \(table) AS c WHERE \(condition) AND \(live(now))"
        }
        let upsert = """
            INSERT INTO \(table) AS c (\(columns)) VALUES ($1, $2, $3, $4, $4, $5) ON CONFLICT (name) DO UPDATE SET \
            version = EXCLUDED.version, envelope = EXCLUDED.envelope, updated_ms = EXCLUDED.updated_ms, \
            expires_ms = EXCLUDED.expires_ms, \
            created_ms = CASE WHEN \(live("$6")) THEN c.created_ms ELSE EXCLUDED.created_ms END
            """
        read = PostgresStatement(name: "read", sql: select("name = $1", "$2"))
        readMany = PostgresStatement(name: "read_many", sql: select("name = ANY ($1)", "$2"))
        write = PostgresStatement(name: "write", sql: "\(upsert) RETURNING created_ms")
        writeIfAbsent = PostgresStatement(
            name: "write_if_absent", sql: "\(upsert) WHERE NOT \(live("$6")) RETURNING created_ms")
        writeIfVersion = PostgresStatement(
            name: "write_if_version",
            sql: """
                UPDATE \(table) AS c SET version = $2, envelope = $3, updated_ms = $4, expires_ms = $5 \
                WHERE name = $1 AND version = $7 AND \(live("$6")) RETURNING created_ms
                """)
        remove = PostgresStatement(
            name: "remove", sql: "DELETE FROM \(table) AS c WHERE name = $1 RETURNING \(live("$2"))")
        // Locked before it is counted: whoever else removes it at the same time is waited for.
        removeIfVersion = PostgresStatement(
            name: "remove_if_version",
            sql: """
                WITH there AS MATERIALIZED (SELECT name, version FROM \(table) AS c WHERE name = $1 AND \(live("$2")) FOR UPDATE), \
                gone AS (DELETE FROM \(table) AS c USING there WHERE c.name = there.name AND there.version = $3 RETURNING 1) \
                SELECT (SELECT count(*) FROM there), (SELECT count(*) FROM gone)
                """)
        // The length of a stored value is known without reading it.
        list = PostgresStatement(
            name: "list",
            sql: """
                SELECT \(columns), found FROM (SELECT \(columns), count(*) OVER () AS found, \
                sum(octet_length(envelope)) OVER (ORDER BY name ROWS UNBOUNDED PRECEDING) - octet_length(envelope) AS before \
                FROM (\(select("name > $1 AND name < $2", "$3")) ORDER BY name LIMIT $4) AS next) AS page \
                WHERE before < \(Self.pageBytes) ORDER BY name
                """)
        sweep = PostgresStatement(
            name: "sweep",
            sql: """
                WITH doomed AS (SELECT name FROM \(table) AS c WHERE expires_ms > 0 AND expires_ms <= LEAST($1, \
                (extract(epoch FROM now()) * 1000)::bigint - \(Self.sweepGraceMilliseconds)) \
                ORDER BY expires_ms LIMIT \(Self.sweepSize) FOR UPDATE SKIP LOCKED), \
                gone AS (DELETE FROM \(table) AS c USING doomed WHERE c.name = doomed.name RETURNING 1) \
                SELECT count(*) FROM gone
                """)
        check = PostgresStatement(
            name: "check", sql: "SELECT pg_is_in_recovery(), EXISTS (SELECT 1 FROM \(table) WHERE name = $1)")
    }
}
