internal import CofferCore
internal import CofferSQLite
internal import CofferVaultKit

/// What goes wrong with the embedded vault, in words.
extension Failure {
    /// What a call that met this error is told.
    static func embedded(_ error: SQLiteError, vault: String) -> Failure {
        switch error.kind {
        case .full:
            Failure(
                .resourceExhausted, .disk, "the disk of the database is full; free room on it; nothing was written",
                vault: vault, retryable: true, retryAfterMilliseconds: 1000)
        case .inputOutput:
            Failure(
                .unavailable, .disk,
                "the disk failed under the database (SQLite code \(error.code)); it is being checked",
                vault: vault, retryable: true, retryAfterMilliseconds: 250, mayHaveWritten: true)
        case .damaged:
            Failure(
                .dataLoss, .disk,
                "the database is damaged (SQLite code \(error.code)); restore it from a backup",
                vault: vault, mayHaveWritten: true)
        case .locked:
            Failure(
                .unavailable, .disk, "another process holds a lock on the database; nothing was done",
                vault: vault, retryable: true, retryAfterMilliseconds: 250)
        case .denied:
            Failure(
                .unavailable, .disk,
                "the database file cannot be opened or written (SQLite code \(error.code))",
                vault: vault, retryable: true, retryAfterMilliseconds: 1000)
        case .outOfMemory:
            Failure(
                .resourceExhausted, .limit, "out of memory; nothing was done", vault: vault,
                retryable: true, retryAfterMilliseconds: 1000)
        case .closed:
            .closed(vault: vault)
        case .unsupported:
            .internalError("the SQLite of this host lacks the layer that the vault needs (SQLite code \(error.code))")
        case .other:
            .internalError("the database refused a statement (SQLite code \(error.code))")
        }
    }

    /// Somebody removed the database, or put another one in its place.
    static func replaced(_ path: String, vault: String) -> Failure {
        Failure(
            .unavailable, .disk,
            "\(path) or its log was removed or replaced under the daemon, and nothing is written; copy the records that "
                + "are needed, restore the file, and restart cofferd",
            vault: vault)
    }

    /// The vault cannot be opened: what is wrong with `path`, and what to do.
    static func cannotOpen(_ code: StatusCode, _ path: String, vault: String, _ why: String) -> Failure {
        Failure(code, .disk, "\(path): \(why)", vault: vault)
    }

    static func cannotOpen(_ problem: DataFile.Problem, _ path: String, vault: String) -> Failure {
        let (place, why) = explain(problem, path)
        return .cannotOpen(problem.isOfHost ? .unavailable : .failedPrecondition, place, vault: vault, why)
    }

    private static func explain(_ problem: DataFile.Problem, _ path: String) -> (String, String) {
        switch problem {
        case .badPath:
            (path, "expected an absolute path of a file in a folder of its own")
        case .wrongKind(let place, let expected):
            (place, "expected a \(expected), found a link or something else; "
                + "move it away, or name another path")
        case .wrongOwner(let place, let owner, let expected):
            (place, "belongs to uid \(owner), but this process runs as uid \(expected); "
                + "chown it, or run as its owner")
        case .tooOpen(let place, let mode, let expected):
            (place, "has mode \(octal(mode)), so others may use it; chmod \(octal(expected)) it")
        case .hardLinked(let place):
            (place, "has more than one name (hard links); remove the others")
        case .inUse(let place, let process):
            (place, process > 0
                ? "is in use by process \(process); stop that one, or give this one another path"
                : "is in use by another process; stop that one, or give this one another path")
        case .system(let place, let errno):
            (place, "the kernel refused access (errno \(errno)); check that the folder can be written")
        }
    }

    private static func octal(_ mode: UInt32) -> String { "0" + String(mode, radix: 8) }
}
