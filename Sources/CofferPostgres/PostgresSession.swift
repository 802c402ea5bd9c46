internal import CofferCore
internal import CofferVault
internal import CofferVaultKit

/// A thread's connection, and how it does calls. Made by that thread.
final class PostgresSession {
    private let server: PostgresServer
    private let vault: String
    private var connection: PostgresConnection?

    init(_ server: PostgresServer, vault: String) {
        self.server = server
        self.vault = vault
    }

    /// So long before a call's deadline its own end is said here, which knows what was sent.
    private static let margin = Duration.milliseconds(10)
    /// Rows of a page at most: libpq holds them all.
    static let pageRows = 100

    /// Does a call, by its deadline unless the system looks a host's name up for longer.
    func perform(_ call: PostgresCall) throws(Failure) -> PostgresReply {
        let deadline = BootInstant(
            nanoseconds: call.deadline.nanoseconds - min(
                call.deadline.nanoseconds, UInt64(Self.margin.wholeNanoseconds)))
        do throws(PostgresFault) {
            return try perform(call.work, try connected(deadline), deadline)
        } catch {
            if error.isOfConnection { connection = nil }
            if error.isOfTables { server.forgetTables() }
            throw .postgres(error, call.work.purpose, vault: vault)
        }
    }

    func close() { connection = nil }

    /// The connection, made anew if the server has closed it: nothing is sent on one that is closed.
    private func connected(_ deadline: BootInstant) throws(PostgresFault) -> PostgresConnection {
        if let connection, connection.isOpen { return connection }
        connection = nil
        guard server.clock.boot < deadline else { throw .notBegun }
        let new = try server.connect(deadline: deadline)
        connection = new
        guard server.clock.boot < deadline else { throw .late(isSent: false) }
        return new
    }

    private func perform(
        _ work: PostgresCall.Work, _ connection: PostgresConnection, _ deadline: BootInstant
    ) throws(PostgresFault) -> PostgresReply {
        let statements = server.statements
        let now = Int64(clamping: server.clock.wall)
        let none = PostgresParameters()
        switch work {
        case .read(let name):
            let rows = try connection.run(statements.read, none.adding(name).adding(now), deadline: deadline)
            return .records(try records(rows))
        case .readMany(let names):
            let rows = try connection.run(statements.readMany, none.adding(names).adding(now), deadline: deadline)
            return .records(try records(rows))
        case .list(let after, let before, let limit):
            let parameters = none.adding(after).adding(before).adding(now).adding(Int64(limit))
            let rows = try connection.run(statements.list, parameters, deadline: deadline)
            return .page(try records(rows), found: Int(rows.integer(0, Self.foundColumn) ?? 0))
        case .write(let name, let envelope, let item, let condition):
            return try write(name, envelope, item, condition, connection, now, deadline)
        case .remove(let name, nil):
            let rows = try connection.run(statements.remove, none.adding(name).adding(now), deadline: deadline)
            let wasLive = rows.boolean(0, 0) == true
            return .removed(wasThere: wasLive, isGone: wasLive)
        case .remove(let name, let version?):
            let parameters = none.adding(name).adding(now).adding(Self.version(version))
            let rows = try connection.run(statements.removeIfVersion, parameters, deadline: deadline)
            guard let there = rows.integer(0, 0), let gone = rows.integer(0, 1) else { throw .garbled }
            return .removed(wasThere: there > 0, isGone: gone > 0)
        case .check(let name):
            let rows = try connection.run(statements.check, none.adding(name), deadline: deadline)
            guard let isStandby = rows.boolean(0, 0) else { throw .garbled }
            guard !isStandby else { throw .standby }
            return .checked
        case .sweep(let time):
            let rows = try connection.run(
                statements.sweep, none.adding(Int64(clamping: time)), deadline: deadline)
            return .swept(Int(rows.integer(0, 0) ?? 0))
        }
    }

    private func write(
        _ name: String, _ envelope: [UInt8], _ item: VaultItem, _ condition: WriteCondition,
        _ connection: PostgresConnection, _ now: Int64, _ deadline: BootInstant
    ) throws(PostgresFault) -> PostgresReply {
        var parameters = PostgresParameters().adding(name).adding(item.version).adding(envelope)
            .adding(Int64(clamping: item.updatedAt)).adding(Int64(clamping: item.expiresAt)).adding(now)
        let statement: PostgresStatement
        switch condition {
        case .none: statement = server.statements.write
        case .ifAbsent: statement = server.statements.writeIfAbsent
        case .ifVersion(let version):
            statement = server.statements.writeIfVersion
            parameters = parameters.adding(Self.version(version))
        }
        let rows = try connection.run(statement, parameters, deadline: deadline)
        guard rows.count > 0 else { return .written(createdAt: nil) }
        guard let created = rows.integer(0, 0), created >= 0 else { throw .garbled }
        return .written(createdAt: WallMilliseconds(created))
    }

    /// PostgreSQL refuses a NUL in a text; no record's version has one, nor is it empty.
    private static func version(_ version: String) -> String { version.utf8.contains(0) ? "" : version }

    /// Of a row of `list`, behind those of the record.
    private static let foundColumn = 6

    private func records(_ rows: PostgresRows) throws(PostgresFault) -> [PostgresReply.Record] {
        var records: [PostgresReply.Record] = []
        for row in 0..<rows.count {
            // The server checks texts by its own encoding and gives them as UTF-8.
            guard let name = rows.text(row, 0) else { throw .garbled }
            records.append((name: name, item: item(rows, row)))
        }
        return records
    }

    /// Trusts nothing: others may write to the table.
    private func item(_ rows: PostgresRows, _ row: Int) -> Result<VaultItem, Failure> {
        guard let version = rows.text(row, 1), (1...VaultItem.maximumVersionBytes).contains(version.utf8.count),
            version.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), let envelope = rows.bytes(row, 2), !envelope.isEmpty,
            let created = rows.integer(row, 3), created >= 0, let updated = rows.integer(row, 4), updated >= 0,
            let expires = rows.integer(row, 5), expires >= 0
        else { return .failure(.unreadable(vault: vault)) }
        return .success(
            VaultItem(
                payload: .sealed(envelope), version: version, createdAt: WallMilliseconds(created),
                updatedAt: WallMilliseconds(updated), expiresAt: WallMilliseconds(expires)))
    }
}
