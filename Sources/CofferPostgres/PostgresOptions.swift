package import CofferCore
internal import CofferVaultKit

/// Where the password comes from.
enum PostgresPassword: Sendable {
    case none
    case value(Secret)
    /// Read for every connection, on the thread that makes it.
    case file(String, read: @Sendable () throws(Failure) -> Secret?)

    /// The password that a file holds, without a line end.
    ///
    /// - Throws: FAILED_PRECONDITION for an empty one, which libpq holds for none, and for one that PostgreSQL refuses.
    static func checked(_ content: Secret, from file: String) throws(Failure) -> Secret {
        let password = content.withoutLineEnd
        guard password.count > 0 else { throw .fileUnreadable(file, "it is empty; expected the password") }
        guard !password.containsNUL else {
            throw .fileUnreadable(file, "it has a NUL byte, which PostgreSQL refuses in a password")
        }
        return password
    }
}

/// What the adapter has from outside beside the network.
package struct PostgresDependencies: Sendable {
    let clock: any Clock
    let random: any RandomSource
    /// Logs what an operator should know.
    let notice: @Sendable (String) -> Void
    /// How long the connection that listens may be silent before the server is asked for a sign of life. After as long
    /// without an answer, what is cached is doubted.
    let silence: Duration
    /// Called before each thread starts, with its name. Throws as the system would.
    let beforeThread: @Sendable (String) throws(Failure) -> Void

    /// Twice this time is the longest for which a connection that died without a word is trusted.
    private static let standardSilence = Duration.milliseconds(300)

    package init(
        clock: any Clock = SystemClock(), random: any RandomSource = SystemRandom(), silence: Duration? = nil,
        notice: @escaping @Sendable (String) -> Void = { _ in },
        beforeThread: @escaping @Sendable (String) throws(Failure) -> Void = { (_: String) throws(Failure) in }
    ) {
        self.clock = clock
        self.random = random
        self.silence = silence ?? Self.standardSilence
        self.notice = notice
        self.beforeThread = beforeThread
    }
}

/// How a database is used: where it is, who the daemon is to it, and where records lie in it.
package struct PostgresOptions: Sendable {
    let hosts: [PostgresAddress.Host]
    private let user: String
    private let database: String
    let password: PostgresPassword
    private let tls: PostgresSettings.TLS
    private let files: [(option: String, path: String)]
    let schema: String
    let createsTables: Bool
    let prefix: String
    let connections: Int
    /// Calls that wait for a connection.
    let queue: Int
    /// Milliseconds after which the server itself ends a statement.
    let statementMilliseconds: Int

    /// - Throws: FAILED_PRECONDITION where no authority is there to check the server's certificate by.
    init(_ vault: VaultConfiguration, _ address: PostgresAddress, _ password: PostgresPassword) throws(Failure) {
        hosts = address.hosts
        user = address.user
        database = address.database
        self.password = password
        tls = vault[PostgresSettings.tls]
        schema = vault[PostgresSettings.schema]
        createsTables = vault[PostgresSettings.createTables]
        prefix = vault[RemoteSettings.prefix]
        connections = vault[PostgresSettings.connections]
        queue = vault.concurrency + vault.queue
        statementMilliseconds = vault.timeoutMilliseconds
        var files = [
            // Files that are not there: else libpq takes those in the home folder.
            ("sslcert", vault[RemoteSettings.clientCertificateFile].unlessEmpty ?? "/nonexistent/client.pem"),
            ("sslkey", vault[RemoteSettings.clientKeyFile].unlessEmpty ?? "/nonexistent/client.key"),
            ("sslcrl", "/nonexistent/crl.pem"), ("sslcrldir", "/nonexistent/crl"), ("passfile", "/nonexistent/pgpass"),
        ]
        let usesTLS = !address.isLocal && tls != .disable
        files.append(
            ("sslrootcert", usesTLS ? try Self.authorities(vault[RemoteSettings.caFile]) : "/nonexistent/ca.pem"))
        self.files = files
    }

    /// Where distributions keep the authorities that the system trusts: Debian and Alpine, then Fedora.
    private static let systemAuthorities = [
        "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    ]

    private static func authorities(_ file: String) throws(Failure) -> String {
        if let file = file.unlessEmpty { return file }
        guard let found = systemAuthorities.first(where: { PostgresLink.canRead($0) }) else {
            throw Failure(
                .failedPrecondition, .notSupported,
                "ca_file: is not set, and the system's authorities are not installed (on Debian the package "
                    + "ca-certificates)")
        }
        return found
    }

    /// libpq's options for one of the hosts, as `coffer_pq_start` takes them. Each that could come from the environment
    /// or the home folder is set here, or the daemon does not start with it: see ``PostgresSettings/foreignVariables``.
    ///
    /// - Parameter program: what the server shows as the program's name.
    func link(to host: PostgresAddress.Host, password: Secret?, program: String = "cofferd") -> Secret {
        let plain = [
            ("host", host.name), ("port", String(host.port)), ("user", user), ("dbname", database),
            ("sslmode", host.isLocal ? "disable" : tls.rawValue), ("ssl_min_protocol_version", "TLSv1.2"),
            ("ssl_max_protocol_version", "TLSv1.3"), ("connect_timeout", "0"), ("krbsrvname", "postgres"),
            ("gssencmode", "disable"), ("channel_binding", "prefer"), ("target_session_attrs", "any"),
            ("application_name", program), ("client_encoding", "UTF8"), ("keepalives", "1"), ("keepalives_idle", "30"),
            ("keepalives_interval", "10"), ("keepalives_count", "3"), ("tcp_user_timeout", "20000"),
        ] + files.map { ($0.option, $0.path) }
        var count = plain.reduce(1) { $0 + $1.0.utf8.count + $1.1.utf8.count + 2 }
        if let password { count += "password".utf8.count + password.count + 2 }
        return SecretWriter.build(count: count) { writer in
            for (name, value) in plain { writer.append("\(name)\0\(value)\0") }
            guard let password else { return }
            writer.append("password\0")
            writer.append(password)
        }
    }
}
