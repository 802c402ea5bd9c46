internal import CofferCore

/// Finds the tables, and makes them or brings them to this version where that is allowed.
struct PostgresMigration {
    private let tables: PostgresTables
    private let isAllowed: Bool

    init(_ tables: PostgresTables, isAllowed: Bool) {
        self.tables = tables
        self.isAllowed = isAllowed
    }

    /// Returns when the tables are there in this version.
    func run(_ connection: PostgresConnection, _ deadline: BootInstant) throws(PostgresFault) {
        let version = try version(connection, deadline)
        if version == PostgresTables.version { return }
        try PostgresTables.require(version)
        guard isAllowed else { throw .noTables(.notAllowed) }
        do throws(PostgresFault) {
            try migrate(connection, deadline)
        } catch {
            // The transaction is rolled back when the connection is closed.
            if case .refused(let state) = error { throw state == "42501" ? .noTables(.denied) : .refusedConnection(state) }
            throw error
        }
    }

    /// 0 = there are none.
    private func version(_ connection: PostgresConnection, _ deadline: BootInstant) throws(PostgresFault) -> Int64 {
        do throws(PostgresFault) {
            let rows = try connection.run(script: tables.readVersion, deadline: deadline)
            return rows.text(0, 0).flatMap { Int64($0) } ?? 0
        } catch {
            guard case .refused(let state) = error else { throw error }
            // No such schema or table.
            guard ["3F000", "42P01"].contains(state) else { throw .refusedConnection(state) }
            return 0
        }
    }

    /// In one transaction, which waits for that of another daemon.
    private func migrate(_ connection: PostgresConnection, _ deadline: BootInstant) throws(PostgresFault) {
        _ = try connection.run(script: tables.lock, deadline: deadline)
        let found = try connection.run(script: tables.find, deadline: deadline)
        var version: Int64 = 0
        if found.text(0, 1) == "t" { version = try self.version(connection, deadline) }
        try PostgresTables.require(version)
        if found.text(0, 0) == "f" { _ = try connection.run(script: tables.makeSchema, deadline: deadline) }
        for script in tables.scripts.dropFirst(Int(version)) { _ = try connection.run(script: script, deadline: deadline) }
        _ = try connection.run(script: "COMMIT", deadline: deadline)
    }
}
