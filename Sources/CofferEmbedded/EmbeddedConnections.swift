internal import CofferCore
internal import CofferSQLite
internal import CofferVaultKit
internal import Synchronization

/// The connections to the database: one that writes, some that read beside it.
final class EmbeddedConnections: Sendable {
    enum Health: Equatable {
        case sound
        /// The disk failed. Nothing is written until everything has been opened
        /// anew and checked: after a failed fsync the kernel takes the pages for
        /// written, and a repeated one would say so.
        case failing(Failure)
        /// For good: somebody has to restore a backup.
        case damaged(Failure)
    }

    /// A connection, while it is open.
    final class Slot: Sendable {
        let connection = Mutex<SQLiteConnection?>(nil)
    }

    let name: String
    private let file: DataFile
    private let settings: SQLiteSettings
    private let writer = Slot()
    private let readers: [Slot]
    private let state = Mutex(Health.sound)
    private let failures = Atomic<Int>(0)
    /// The database and its log as they were opened.
    private let opened = Mutex<DataFile.Identity?>(nil)

    init(_ file: DataFile, settings: SQLiteSettings, name: String, readers: Int) throws(Failure) {
        self.file = file
        self.settings = settings
        self.name = name
        self.readers = (0..<max(1, readers)).map { _ in Slot() }
        do {
            try open()
        } catch {
            throw .embedded(error, vault: name)
        }
    }

    var health: Health { state.withLock { $0 } }

    /// How often writing has failed since the vault was opened.
    var writeFailures: Int { failures.load(ordering: .relaxed) }

    /// The names of the database and its log lead to the files that are open. SQLite makes
    /// the log with the first write at the latest.
    private var isInPlace: Bool {
        let identity = file.identity
        return opened.withLock { opened in
            if opened == nil { opened = identity }
            return opened == identity
        }
    }

    /// Runs `body` on the connection that writes; from the writer's thread only.
    func write<R>(
        _ body: (borrowing SQLiteSession) throws(SQLiteError) -> R
    ) throws(Failure) -> R {
        switch health {
        case .sound: break
        case .failing(let failure), .damaged(let failure): throw failure
        }
        // Before, so that nothing is written in vain, and after: only what is under its
        // name then is acknowledged. The rest may come back with the file.
        guard isInPlace else { throw .replaced(file.path, vault: name) }
        let result: R
        do throws(Failure) {
            result = try run(on: writer, body)
        } catch {
            failures.add(1, ordering: .relaxed)
            throw error
        }
        guard isInPlace else { throw Failure.replaced(file.path, vault: name).afterChange }
        return result
    }

    /// Runs `body` on the connection of this reader. Reading goes on while
    /// writing is refused, if it can.
    func read<R>(
        _ reader: Int, _ body: (borrowing SQLiteSession) throws(SQLiteError) -> R
    ) throws(Failure) -> R {
        if case .damaged(let failure) = health { throw failure }
        return try run(on: readers[reader], body)
    }

    private func run<R>(
        on slot: Slot, _ body: (borrowing SQLiteSession) throws(SQLiteError) -> R
    ) throws(Failure) -> R {
        guard let connection = slot.connection.withLock({ $0 }) else { throw refusal }
        do {
            return try connection.run(body)
        } catch {
            // `reopen` may close a connection under a reader.
            if error.kind == .closed { throw refusal }
            let failure = Failure.embedded(error, vault: name)
            note(error, failure)
            throw failure
        }
    }

    private var refusal: Failure {
        switch health {
        case .failing(let failure), .damaged(let failure): failure
        case .sound: .closed(vault: name)
        }
    }

    private func note(_ error: SQLiteError, _ failure: Failure) {
        state.withLock { state in
            switch (error.kind, state) {
            case (_, .damaged): return
            // Those who are refused with it later have not begun.
            case (.damaged, _): state = .damaged(failure.ofRead)
            case (.inputOutput, _): state = .failing(failure.ofRead)
            default: return
            }
        }
    }

    /// Lets go of everything, opens it again, examines every page, and moves
    /// the log into the database file: its old pages may look written to the
    /// kernel without being so, and must not lie below new ones.
    ///
    /// - Returns: whether the vault is sound again.
    func reopen() -> Bool {
        guard case .failing = health else { return health == .sound }
        closeAll()
        do {
            try open()
            let isWhole = try verify()
            state.withLock { state in
                guard case .failing = state else { return }
                state = isWhole ? .sound : .damaged(.damagedByFault(vault: name))
            }
        } catch {
            note(error, .embedded(error, vault: name))
        }
        return health == .sound
    }

    private func verify() throws(SQLiteError) -> Bool {
        guard let connection = writer.connection.withLock({ $0 }) else { return false }
        return try connection.run { session throws(SQLiteError) in
            guard try EmbeddedDatabase.isWhole(session) else { return false }
            _ = try session.checkpoint(truncating: true)
            return true
        }
    }

    private func open() throws(SQLiteError) {
        let writing = try SQLiteConnection(path: file.path, settings: settings)
        writer.connection.withLock { $0 = writing }
        var settings = settings
        settings.writable = false
        for slot in readers {
            let reading = try SQLiteConnection(path: file.path, settings: settings)
            slot.connection.withLock { $0 = reading }
        }
        let identity = file.identity
        opened.withLock { $0 = identity }
    }

    /// Moves the log into the database file and closes both. What fails here
    /// loses nothing: the log is durable and is read at the next start.
    func close() {
        _ = try? write { session throws(SQLiteError) in try session.checkpoint(truncating: true) }
        closeAll()
        file.unlock()
    }

    private func closeAll() {
        for slot in readers + [writer] {
            let connection = slot.connection.withLock { $0.take() }
            try? connection?.close()
        }
    }
}

extension Failure {
    fileprivate static func damagedByFault(vault: String) -> Failure {
        Failure(
            .dataLoss, .disk, "the database is damaged after a failure of its disk; restore it from a backup",
            vault: vault)
    }
}
