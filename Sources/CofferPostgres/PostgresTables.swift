/// The tables: a schema, made and brought to this version by the first daemon that may.
///
/// Each version is a script that is applied to the one before it. Scripts only add, so that daemons of the version before
/// go on while hosts are upgraded.
struct PostgresTables: Sendable {
    /// Why they are not there and are not made.
    enum Refusal: Equatable, Sendable {
        case notAllowed
        case denied

        var text: String {
            switch self {
            case .notAllowed:
                "the tables are missing or of an earlier version; set create_tables, or run the SQL of the manual's page on "
                    + "PostgreSQL"
            case .denied:
                "the tables are missing or of an earlier version, and the daemon's role may not make them; run the SQL of the "
                    + "manual's page on PostgreSQL as their owner"
            }
        }
    }

    static let version: Int64 = 1

    /// - Parameter version: that is there; 0 = none.
    /// - Throws: why these tables cannot be used, or brought to this version. Others may write to the table with it.
    static func require(_ version: Int64) throws(PostgresFault) {
        guard version >= 0 else { throw .garbled }
        guard version <= Self.version else { throw .newerTables(version) }
    }

    /// The schema's name, quoted.
    private let schema: String
    /// Where changes are told.
    let channel: String

    /// - Parameter schema: of `[a-z][a-z0-9_]*`.
    init(schema: String) {
        self.schema = "\"\(schema)\""
        channel = "\(schema)_changed"
    }

    /// The table of records.
    var records: String { "\(schema).credential" }

    /// The version that is there; an error of class 42 or 3F if there is none.
    var readVersion: String { "SELECT max(version) FROM \(schema).schema_version" }

    /// Whether schema and tables are there.
    var find: String {
        "SELECT pg_catalog.to_regnamespace('\(schema)') IS NOT NULL, "
            + "pg_catalog.to_regclass('\(schema).schema_version') IS NOT NULL"
    }

    /// Begins a transaction in which no other daemon makes tables.
    var lock: String {
        "BEGIN; SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('coffer tables \(schema)', 0))"
    }

    var makeSchema: String { "CREATE SCHEMA \(schema)" }

    /// What makes each version of the one before it.
    var scripts: [String] { [first] }

    private var first: String {
        """
        CREATE TABLE \(schema).schema_version (
            version bigint PRIMARY KEY,
            applied_at timestamptz NOT NULL DEFAULT now()
        );
        CREATE TABLE \(records) (
            name text COLLATE "C" PRIMARY KEY CHECK (octet_length(name) <= 2048),
            version text COLLATE "C" NOT NULL CHECK (octet_length(version) BETWEEN 1 AND 128),
            envelope bytea NOT NULL CHECK (octet_length(envelope) BETWEEN 1 AND 2097152),
            created_ms bigint NOT NULL CHECK (created_ms >= 0),
            updated_ms bigint NOT NULL CHECK (updated_ms >= 0),
            expires_ms bigint NOT NULL CHECK (expires_ms >= 0)
        );
        ALTER TABLE \(records) ALTER COLUMN envelope SET STORAGE EXTERNAL;
        CREATE INDEX credential_expiry ON \(records) (expires_ms) WHERE expires_ms > 0;
        CREATE FUNCTION \(schema).tell_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
        DECLARE
            writer text := coalesce(current_setting('coffer.writer', true), '');
        BEGIN
            IF TG_OP = 'TRUNCATE' THEN
                PERFORM pg_notify(TG_ARGV[0], writer || ':');
                RETURN NULL;
            END IF;
            IF TG_OP <> 'INSERT' AND (TG_OP = 'DELETE' OR OLD.name <> NEW.name)
                AND (OLD.expires_ms = 0 OR OLD.expires_ms > extract(epoch FROM clock_timestamp()) * 1000) THEN
                PERFORM pg_notify(TG_ARGV[0], writer || ':' || OLD.name);
            END IF;
            IF TG_OP <> 'DELETE' THEN
                PERFORM pg_notify(TG_ARGV[0], writer || ':' || NEW.name);
            END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER credential_changed AFTER INSERT OR UPDATE OR DELETE ON \(records)
            FOR EACH ROW EXECUTE FUNCTION \(schema).tell_change('\(channel)');
        CREATE TRIGGER credential_truncated AFTER TRUNCATE ON \(records)
            FOR EACH STATEMENT EXECUTE FUNCTION \(schema).tell_change('\(channel)');
        INSERT INTO \(schema).schema_version (version) VALUES (1);
        """
    }
}
