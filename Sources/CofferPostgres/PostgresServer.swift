internal import CofferCore
internal import CofferVaultKit
internal import Synchronization

/// Makes connections: to the primary of the servers that are configured, with the session's settings, and with tables
/// that are there.
final class PostgresServer: Sendable {
    private struct Known: Sendable {
        /// The server that answered last is asked first.
        var host = 0
        /// The tables are there, in this version.
        var hasTables = false
        /// Of the file at the last reload, or at the first connection.
        var password: Secret?
    }

    let options: PostgresOptions
    let clock: any Clock
    let tables: PostgresTables
    let statements: PostgresStatements
    /// Who wrote, in notifications: those of this adapter are not news to it.
    let writer: String
    private let known = Mutex(Known())
    private let proofs = PostgresProofs()

    init(_ options: PostgresOptions, _ dependencies: PostgresDependencies) {
        self.options = options
        clock = dependencies.clock
        tables = PostgresTables(schema: options.schema)
        statements = PostgresStatements(tables)
        writer = Hex.text(dependencies.random.bytes(8))
    }

    /// Some call found that tables are missing: they are looked for again.
    func forgetTables() { known.withLock { $0.hasTables = false } }

    /// A connection to the primary, with tables.
    ///
    /// - Parameter wake: ends its waits; only the connection that listens has one.
    func connect(wake: PostgresWake? = nil, deadline: BootInstant) throws(PostgresFault) -> PostgresConnection {
        let connection = try session(wake, deadline)
        if !known.withLock({ $0.hasTables }) {
            try PostgresMigration(tables, isAllowed: options.createsTables).run(connection, deadline)
            known.withLock { $0.hasTables = true }
        }
        return connection
    }

    /// The first server that is a primary; each that is left gets an equal part of the time.
    private func session(_ wake: PostgresWake?, _ deadline: BootInstant) throws(PostgresFault) -> PostgresConnection {
        let password = try password()
        let first = known.withLock { $0.host }
        var worst: PostgresFault?
        for turn in options.hosts.indices {
            let host = (first + turn) % options.hosts.count
            let now = clock.boot
            let share = deadline.milliseconds(since: now) / UInt64(options.hosts.count - turn)
            do throws(PostgresFault) {
                let connection = try session(host, password, wake, min(deadline, now + .milliseconds(share)))
                known.withLock { $0.host = host }
                return connection
            } catch {
                if error == .woken || error == .noLibrary { throw error }
                // What a server said says more than that another one is away.
                if worst == nil || worst == .unreachable || worst == .late(isSent: false) { worst = error }
            }
        }
        throw worst ?? .unreachable
    }

    private func session(
        _ host: Int, _ password: Secret?, _ wake: PostgresWake?, _ deadline: BootInstant
    ) throws(PostgresFault) -> PostgresConnection {
        let link = options.link(
            to: options.hosts[host], password: password, program: wake == nil ? "cofferd" : "cofferd-listen")
        let connection = try PostgresConnection(link, clock: clock, wake: wake, deadline: deadline)
        let process: String
        do throws(PostgresFault) {
            let rows = try connection.run(script: settings, deadline: deadline)
            guard let text = rows.text(0, 0), let isStandby = rows.text(0, 1), let encoding = rows.text(0, 2) else {
                throw PostgresFault.garbled
            }
            guard isStandby == "f" else { throw PostgresFault.standby }
            guard encoding != "SQL_ASCII" else { throw PostgresFault.encoding }
            process = text
        } catch {
            throw error.ofConnecting
        }
        // Only a pooler says another number than the server itself.
        if process != String(connection.process) {
            try proofs.require(host, always: wake != nil, clock: clock, deadline: deadline) { () throws(PostgresFault) in
                try requireOwnSession(connection, process, link, wake, deadline)
            }
        }
        return connection
    }

    /// Names are looked up nowhere but in PostgreSQL's own schema, and a commit is on the disk when it is acknowledged.
    private var settings: String {
        """
        SELECT pg_catalog.set_config('search_path', 'pg_catalog', false); SELECT \
        set_config('statement_timeout', '\(options.statementMilliseconds)', false), \
        set_config('idle_in_transaction_session_timeout', '60000', false), \
        set_config('default_transaction_isolation', 'read committed', false), \
        set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' \
        ELSE current_setting('synchronous_commit') END, false), \
        set_config('coffer.writer', '\(writer)', false); \
        SELECT pg_backend_pid(), pg_is_in_recovery(), current_setting('server_encoding')
        """
    }

    /// In transaction mode a pooler serves two connections by one process of the server, or one by two.
    private func requireOwnSession(
        _ connection: PostgresConnection, _ process: String, _ link: Secret, _ wake: PostgresWake?, _ deadline: BootInstant
    ) throws(PostgresFault) {
        let other = try PostgresConnection(link, clock: clock, wake: wake, deadline: deadline)
        for _ in 0..<3 {
            let others = try Self.process(of: other, deadline)
            guard others != process, try Self.process(of: connection, deadline) == process else { throw .pooled }
        }
    }

    private static func process(
        of connection: PostgresConnection, _ deadline: BootInstant
    ) throws(PostgresFault) -> String? {
        do throws(PostgresFault) {
            return try connection.run(script: "SELECT pg_catalog.pg_backend_pid()", deadline: deadline).text(0, 0)
        } catch {
            throw error.ofConnecting
        }
    }

    // MARK: The password

    private func password() throws(PostgresFault) -> Secret? {
        switch options.password {
        case .none: return nil
        case .value(let password):
            guard !password.containsNUL else {
                throw .noFile(Failure(
                    .failedPrecondition, .vaultRefused,
                    "the password has a NUL byte, which PostgreSQL refuses; choose another one", isUnsent: true))
            }
            return password
        case .file(let path, let read):
            do throws(Failure) {
                guard let text = try read() else { throw Failure.fileUnreadable(path, "it does not exist") }
                let password = try PostgresPassword.checked(text, from: path)
                known.withLock { $0.password = $0.password ?? password }
                return password
            } catch {
                throw .noFile(error)
            }
        }
    }

    /// - Returns: whether it is another than the last one.
    func note(password: Secret) -> Bool {
        known.withLock { known in
            defer { known.password = password }
            return known.password.map { !$0.isEqual(to: password) } ?? false
        }
    }
}

extension PostgresFault {
    /// Of a step of connecting: nothing of a call was sent.
    fileprivate var ofConnecting: PostgresFault {
        switch self {
        case .refused(let state): .refusedConnection(state)
        case .lost: .unreachable
        case .late: .late(isSent: false)
        default: self
        }
    }
}
