internal import CofferCore
internal import CofferVaultKit

/// Settings of vaults of type `postgres` beside those of every vault.
enum PostgresSettings {
    /// How the server proves who it is. Unix sockets need none of it.
    enum TLS: String, CaseIterable, Sendable {
        case verifyFull = "verify-full"
        case verifyCA = "verify-ca"
        case disable
    }

    static let url = VaultSetting<String>(
        "url",
        .text("postgresql://user@host:port/database, without a password") { (try? PostgresAddress($0)) != nil },
        .value(""), unset: "`$DATABASE_URL`",
        summary:
            "Where the database is. Several `host:port` with commas between them are the servers of a cluster, of which the primary is used; without a host it is the Unix socket in `/var/run/postgresql`")
    static let passwordFile = VaultSetting<String>(
        "password_file", .absoluteFile, .value(""), unset: "`$PGPASSWORD`, or none",
        summary:
            "The file with the password, read for every new connection. Owned by the daemon's uid and closed to others (0600 or 0400), or root's with at most a group of the daemon's that may read it")
    static let tls = VaultSetting<TLS>(
        "tls", .choice, .value(.verifyFull),
        summary:
            "What is asked of the server's certificate: that it comes from `ca_file` and names the host (`verify-full`), or the former alone; `disable` uses no TLS. Unix sockets use none",
        risk: "`verify-ca`: any host with a certificate of that authority is believed, and can ask for the password. `disable`: anyone on the network path sees names and sealed records, can change what the daemon gets, and can ask for the password")
    static let schema = VaultSetting<String>(
        "schema",
        .text("a name of at most 48 letters a to z, digits and _, which begins with a letter") { isSchema($0) },
        .value("coffer"), summary: "The schema with the tables")
    static let createTables = VaultSetting<Bool>(
        "create_tables", .flag, .value(true),
        summary: "Make the schema and the tables where they are missing, and bring them to this version",
        risk: "Needs the right to do so once; with `false` the SQL of the manual's page must have been run")
    static let connections = VaultSetting<Int>(
        "connections", .number(1...256), .value(8),
        summary: "Connections to the server, made when they are needed; one more listens for changes",
        risk: "All daemons together must stay below the server's `max_connections`")

    static let all = [
        url.erased, passwordFile.erased, tls.erased, schema.erased, createTables.erased, connections.erased,
        RemoteSettings.prefix.erased, RemoteSettings.caFile.erased, RemoteSettings.clientCertificateFile.erased,
        RemoteSettings.clientKeyFile.erased,
    ]

    static let urlVariable = "DATABASE_URL"
    static let passwordVariable = "PGPASSWORD"
    /// What libpq would obey beside the options that it is given: it takes an option with an empty value from the
    /// environment, and older versions refuse options that newer ones know. Of all versions up to 18; a live test compares
    /// them with those of the libpq that is installed (`PQconndefaults`).
    static let foreignVariables = [
        "PGHOSTADDR", "PGSERVICE", "PGSERVICEFILE", "PGOPTIONS", "PGREQUIREPEER", "PGREQUIREAUTH", "PGREQUIRESSL",
        "PGLOADBALANCEHOSTS", "PGSSLCERTMODE", "PGSSLCOMPRESSION", "PGSSLNEGOTIATION", "PGSSLSNI", "PGGSSLIB",
        "PGGSSDELEGATION", "PGMINPROTOCOLVERSION", "PGMAXPROTOCOLVERSION", "PGDATESTYLE", "PGTZ", "PGGEQO",
    ]

    private static func isSchema(_ text: String) -> Bool {
        let isLetter: (UInt8) -> Bool = { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }
        return text.utf8.count <= 48 && text.utf8.first.map(isLetter) == true
            && text.utf8.allSatisfy { isLetter($0) || $0 == UInt8(ascii: "_") || (0x30...0x39).contains($0) }
    }
}
