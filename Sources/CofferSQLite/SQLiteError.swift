internal import CSQLite

/// A result code of SQLite that was not success.
///
/// Carries numbers only: SQLite's texts may quote stored data and paths.
package struct SQLiteError: Error, Equatable, Sendable {
    /// What a caller can act on.
    package enum Kind: Sendable {
        /// No room: on the disk, or under the page limit.
        case full
        /// Reading, writing or syncing a file failed.
        case inputOutput
        /// The file contradicts itself, or is no database.
        case damaged
        /// Another process holds the file.
        case locked
        /// The file cannot be opened or written.
        case denied
        case outOfMemory
        /// The connection was closed.
        case closed
        /// SQLite was built without a part that is needed.
        case unsupported
        /// A mistake of ours: wrong SQL, a broken constraint.
        case other
    }

    /// SQLite's extended result code.
    package let code: Int32

    package init(code: Int32) { self.code = code }

    package var kind: Kind {
        // The low byte is the primary code.
        switch code & 0xff {
        case SQLITE_FULL: .full
        case SQLITE_IOERR: .inputOutput
        case SQLITE_CORRUPT, SQLITE_NOTADB: .damaged
        case SQLITE_BUSY, SQLITE_LOCKED: .locked
        case SQLITE_CANTOPEN, SQLITE_READONLY, SQLITE_PERM, SQLITE_AUTH: .denied
        case SQLITE_NOMEM: .outOfMemory
        case SQLITE_MISUSE: .closed
        case SQLITE_NOTFOUND: .unsupported
        default: .other
        }
    }
}
