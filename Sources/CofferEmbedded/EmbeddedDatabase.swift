internal import CofferCore
internal import CofferSQLite

/// The database file: how it comes to be, and whether what is there is ours.
enum EmbeddedDatabase {
    /// "Coff", in the file's header: whose database it is.
    static let applicationID: Int64 = 0x436f_6666
    static let schemaVersion: Int64 = 1
    static let identityBytes = 16
    /// A new database is made under this suffix and renamed when it is complete,
    /// so that a file under the real name was never empty.
    static let newSuffix = ".new"

    private static let schema =
        RecordTable.schema + [
            "CREATE TABLE meta (name TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL) STRICT, WITHOUT ROWID"
        ]

    /// Makes the database, or verifies the one that is there.
    ///
    /// - Returns: the vault's identity.
    /// - Throws: FAILED_PRECONDITION for what is not ours or another version's,
    ///   DATA_LOSS for what is damaged, and what `keyCheck` throws.
    static func prepare(
        _ file: DataFile, settings: SQLiteSettings, name: String, random: some RandomSource,
        keyCheck: EmbeddedVault.KeyCheck
    ) throws(Failure) -> [UInt8] {
        let isThere = try explaining(file.path, name) { () throws(DataFile.Problem) in try file.exists }
        if !isThere {
            let identity = random.bytes(identityBytes)
            let blob = try keyCheck(nil, identity)
            try create(file, settings: settings, name: name, identity: identity, keyCheck: blob)
            return identity
        }
        return try verify(file, settings: settings, name: name, keyCheck: keyCheck)
    }

    private static func create(
        _ file: DataFile, settings: SQLiteSettings, name: String, identity: [UInt8], keyCheck: [UInt8]
    ) throws(Failure) {
        try explaining(file.path, name) { () throws(DataFile.Problem) in
            // SQLite would take the old log for one of the new database.
            guard try !file.exists(suffix: "-wal") else {
                throw .wrongKind(path: file.path, expected: "database beside its log (-wal)")
            }
            try file.remove(suffix: newSuffix + "-wal")
            _ = try file.createEmpty(suffix: newSuffix)
        }
        do {
            let connection = try SQLiteConnection(path: file.path + newSuffix, settings: settings)
            try connection.run { session throws(SQLiteError) in
                try session.transaction { () throws(SQLiteError) in
                    for statement in schema { try session.execute(statement) }
                    try setMeta(session, "identity", identity)
                    try setMeta(session, "key_check", keyCheck)
                    try session.execute("PRAGMA application_id = \(applicationID)")
                    try session.execute("PRAGMA user_version = \(schemaVersion)")
                }
                _ = try session.checkpoint(truncating: true)
            }
            try connection.close()
        } catch {
            throw .embedded(error, vault: name).adding(": \(file.path)")
        }
        try explaining(file.path, name) { () throws(DataFile.Problem) in try file.install(suffix: newSuffix) }
    }

    private static func verify(
        _ file: DataFile, settings: SQLiteSettings, name: String, keyCheck: EmbeddedVault.KeyCheck
    ) throws(Failure) -> [UInt8] {
        do {
            // Whose file it is is not known yet: nothing may change it.
            var settings = settings
            settings.setsJournalMode = false
            // The examination goes over every page twice.
            settings.cacheKibibytes = 32 << 10
            let connection = try SQLiteConnection(path: file.path, settings: settings)
            let verdict = try connection.run { session throws(SQLiteError) in
                try examine(session, file.path, name: name, keyCheck: keyCheck)
            }
            try connection.close()
            return try verdict.get()
        } catch let failure as Failure {
            throw failure
        } catch let error as SQLiteError {
            throw cannotOpen(error, file.path, name: name)
        } catch {
            throw .internalError("opening the database threw an unknown error")
        }
    }

    /// Whose database it is, of which version, whether it is whole, and whether
    /// our keys belong to it: in this order, so that each problem is told as what
    /// it is.
    private static func examine(
        _ session: borrowing SQLiteSession, _ path: String, name: String, keyCheck: EmbeddedVault.KeyCheck
    ) throws(SQLiteError) -> Result<[UInt8], Failure> {
        func refuse(_ code: StatusCode, _ why: String) -> Result<[UInt8], Failure> {
            .failure(.cannotOpen(code, path, vault: name, why))
        }
        let owner = try session.integer("PRAGMA application_id")
        guard owner == applicationID else {
            return refuse(
                .failedPrecondition,
                "is no Coffer database (application id \(owner), expected \(applicationID)); name another path")
        }
        let version = try session.integer("PRAGMA user_version")
        guard version == schemaVersion else {
            return refuse(
                .failedPrecondition,
                "has schema version \(version), this daemon knows \(schemaVersion); "
                    + "run the version of Coffer that wrote it, or a newer one")
        }
        guard try isWhole(session) else {
            return refuse(.dataLoss, "is damaged (quick_check); restore it from a backup")
        }
        let found = try session.texts("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")
        guard found.sorted() == schema.sorted() else {
            return refuse(
                .failedPrecondition, "has other tables than this daemon makes; restore it from a backup")
        }
        guard let identity = try meta(session, "identity"), identity.count == identityBytes,
            let blob = try meta(session, "key_check")
        else {
            return refuse(.dataLoss, "has lost its identity; restore it from a backup")
        }
        do {
            let renewed = try keyCheck(blob, identity)
            if renewed != blob { try setMeta(session, "key_check", renewed) }
            return .success(identity)
        } catch let failure as Failure {
            return .failure(failure)
        } catch {
            throw (error as? SQLiteError) ?? SQLiteError(code: 1)
        }
    }

    /// SQLite's own examination of every page; reads the whole file.
    static func isWhole(_ session: borrowing SQLiteSession) throws(SQLiteError) -> Bool {
        try session.texts("PRAGMA quick_check(1)") == ["ok"]
    }

    private static func meta(
        _ session: borrowing SQLiteSession, _ name: String
    ) throws(SQLiteError) -> [UInt8]? {
        let find = try session.statement(once: "SELECT value FROM meta WHERE name = ?1")
        find.bind(1, name)
        var value: [UInt8]?
        try find.scan {
            value = $0.blob(0)
            return false
        }
        return value
    }

    private static func setMeta(
        _ session: borrowing SQLiteSession, _ name: String, _ value: [UInt8]
    ) throws(SQLiteError) {
        let set = try session.statement(once: "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)")
        set.bind(1, name)
        set.bind(2, value)
        try set.run()
    }

    private static func cannotOpen(_ error: SQLiteError, _ path: String, name: String) -> Failure {
        switch error.kind {
        // The statements are the same for every file: what SQLite cannot do with this one, its header or its schema forbids.
        case .damaged, .other:
            .cannotOpen(
                .dataLoss, path, vault: name,
                "is damaged, or no database at all; restore it from a backup, or name another path")
        case .locked:
            .cannotOpen(
                .failedPrecondition, path, vault: name, "is open in another process; stop that one first")
        default:
            .embedded(error, vault: name)
        }
    }

    private static func explaining<R>(
        _ path: String, _ name: String, _ body: () throws(DataFile.Problem) -> R
    ) throws(Failure) -> R {
        do {
            return try body()
        } catch {
            throw .cannotOpen(error, path, vault: name)
        }
    }
}

extension SQLiteSession {
    fileprivate func integer(_ sql: String) throws(SQLiteError) -> Int64 {
        var value: Int64 = 0
        try statement(once: sql).scan {
            value = $0.integer(0)
            return false
        }
        return value
    }

    fileprivate func texts(_ sql: String) throws(SQLiteError) -> [String] {
        var values: [String] = []
        try statement(once: sql).scan {
            values.append($0.text(0))
            return true
        }
        return values
    }
}
