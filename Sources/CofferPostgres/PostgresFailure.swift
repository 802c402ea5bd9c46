internal import CofferCore
internal import CofferVaultKit

/// What a call does in the vault.
enum PostgresPurpose {
    case read, write
}

/// What goes wrong with PostgreSQL, in words of ours: none of the server's is told, for its details show rows.
extension Failure {
    static func postgres(_ fault: PostgresFault, _ purpose: PostgresPurpose, vault: String) -> Failure {
        let isWrite = purpose == .write
        switch fault {
        case .refused(let state), .refusedConnection(let state):
            var failure = PostgresState(state).failure(vault: vault)
            failure.mayHaveWritten = failure.mayHaveWritten && isWrite
            if case .refusedConnection = fault { failure = failure.beforeSending }
            return failure
        case .late(isSent: true):
            let failure = Failure.deadlineExceeded(vault: vault)
            return isWrite ? failure : failure.ofRead
        case .lost(isSent: true):
            return Failure(
                .unavailable, .vaultUnreachable, "the connection to PostgreSQL broke before its answer came",
                vault: vault, retryable: true, mayHaveWritten: isWrite)
        case .garbled:
            let text = "what answers is not the database that the manual's page on PostgreSQL describes; check the tables, "
                + "and what is between cofferd and the server"
            return isWrite
                ? Failure(.internal, .vaultFailed, text, vault: vault, mayHaveWritten: true)
                : Failure(.unavailable, .vaultFailed, text, vault: vault, retryable: true)
        case .notBegun: return .notBegun(vault: vault)
        case .late(isSent: false):
            // Not the caller's: the server was connected to, or prepared the statement, for too long.
            return Failure(
                .deadlineExceeded, .vaultUnreachable,
                "no connection to PostgreSQL was ready within the time given; nothing was done", vault: vault,
                retryable: true, isUnsent: true)
        default: return beforeSending(fault, vault: vault)
        }
    }

    /// Of faults that come before anything of the call is sent.
    private static func beforeSending(_ fault: PostgresFault, vault: String) -> Failure {
        switch fault {
        case .lost:
            Failure(
                .unavailable, .vaultUnreachable, "PostgreSQL closed the connection before anything was sent", vault: vault,
                retryable: true, isUnsent: true)
        case .noLibrary:
            .postgresSetUp("libpq of version 13 or later is not installed; install it (on Debian the package libpq5)", vault)
        case .untrusted:
            Failure(
                .failedPrecondition, .vaultUnreachable,
                "TLS with PostgreSQL failed; check ca_file, that the certificate names the host of the url, and that the "
                    + "server has TLS on", vault: vault, isUnsent: true)
        case .noPassword:
            Failure(
                .unauthenticated, .vaultRefused,
                "PostgreSQL asks for a password and there is none; set password_file, or PGPASSWORD", vault: vault,
                isUnsent: true)
        case .noFile(let failure): failure
        case .pooled:
            .postgresSetUp(
                "a connection pooler in transaction mode is between cofferd and PostgreSQL, where prepared statements and "
                    + "notifications get lost; name the server itself in the url, or a pool in session mode", vault)
        case .encoding:
            .postgresSetUp(
                "the database has the encoding SQL_ASCII, which lets texts through that are not UTF-8; create one with the "
                    + "encoding UTF8", vault)
        case .standby:
            Failure(
                .unavailable, .vaultFailed, "the server is a standby, which cannot be written to; name the primary in the "
                    + "url, or all servers of the cluster", vault: vault, retryable: true, isUnsent: true)
        case .noTables(let refusal): .postgresSetUp(refusal.text, vault)
        case .newerTables(let version):
            .postgresSetUp(
                "the tables are of version \(version), this cofferd knows version \(PostgresTables.version); upgrade it",
                vault)
        default:
            Failure(
                .unavailable, .vaultUnreachable, "cannot connect to PostgreSQL; check that it runs at the host and port of "
                    + "the url", vault: vault, retryable: true, isUnsent: true)
        }
    }

    /// Nothing was asked of the tables: what is cached may stand in until somebody has mended the set-up.
    private static func postgresSetUp(_ message: String, _ vault: String) -> Failure {
        Failure(.failedPrecondition, .vaultRefused, message, vault: vault, isUnsent: true)
    }

    /// The same as the answer to a statement.
    fileprivate var afterSending: Failure {
        var failure = self
        failure.isUnsent = false
        return failure
    }

    /// The same where connecting failed: nothing of the call was sent.
    private var beforeSending: Failure {
        var failure = self
        failure.mayHaveWritten = false
        // One that the server refused for good has been answered: see `FailureEffects`.
        failure.isUnsent = retryable
        return failure
    }
}

/// An SQLSTATE: PostgreSQL's appendix A lists them. Their first two characters are a class.
struct PostgresState {
    private let state: String

    init(_ state: String) { self.state = state }

    /// The table. A statement that the server refused was rolled back, unless the refusal is that of a server which
    /// stops or of a connection: those can come after the commit.
    func failure(vault: String) -> Failure {
        switch state {
        case "23505": Failure(.alreadyExists, .vaultRefused, text("another row has this name"), vault: vault)
        case "40001", "40P01":
            Failure(
                .aborted, .vaultRefused, text("another transaction came in between; nothing was done, try again"),
                vault: vault, retryable: true)
        case "55P03":
            Failure(
                .aborted, .vaultRefused, text("another transaction holds a lock on the record; try again"), vault: vault,
                retryable: true)
        case "57014":
            Failure(
                .deadlineExceeded, .deadline, text("PostgreSQL ended the statement, which took too long"), vault: vault,
                retryable: true, mayHaveWritten: true)
        case "25006":
            Failure(
                .unavailable, .vaultFailed, text("the server accepts no writes; check whether it was demoted, "
                    + "and default_transaction_read_only"), vault: vault, retryable: true)
        case "42501":
            Failure(
                .permissionDenied, .vaultRefused,
                text("the daemon's role may not do this; compare its rights with the manual's page on PostgreSQL"),
                vault: vault)
        case "26000", "42P05": Failure.postgres(.pooled, .read, vault: vault).afterSending
        case "0A000": changed(vault)
        default: byClass(vault)
        }
    }

    private func byClass(_ vault: String) -> Failure {
        switch state.prefix(2) {
        case "28":
            Failure(
                .unauthenticated, .vaultRefused,
                text("PostgreSQL refused the login; check role and password, and that pg_hba.conf admits this host"),
                vault: vault)
        case "22", "23":
            Failure(
                .invalidArgument, .vaultRefused, text("PostgreSQL refused a value; check that the database's encoding is "
                    + "UTF8 and that the tables are as the manual has them"), vault: vault)
        case "54":
            Failure(.invalidArgument, .vaultRefused, text("the record exceeds a limit of PostgreSQL's"), vault: vault)
        case "3D", "3F", "42":
            Failure(
                .failedPrecondition, .vaultRefused,
                text("a database, schema, table or column is missing; check url and schema"), vault: vault)
        case "53": exhausted(vault)
        case "57", "08", "":
            Failure(
                .unavailable, .vaultFailed, text("PostgreSQL is starting, stopping or closed the connection"),
                vault: vault, retryable: true, mayHaveWritten: true)
        default:
            Failure(
                .internal, .vaultFailed, text("PostgreSQL reported an internal error; its own log says why"), vault: vault,
                mayHaveWritten: true)
        }
    }

    private func exhausted(_ vault: String) -> Failure {
        switch state {
        case "53300":
            Failure(
                .resourceExhausted, .limit, text("PostgreSQL has no connection to spare; raise max_connections, or lower "
                    + "connections"), vault: vault, retryable: true)
        case "53100":
            Failure(.resourceExhausted, .disk, text("PostgreSQL's disk is full; nothing was written"), vault: vault)
        default:
            Failure(.resourceExhausted, .limit, text("PostgreSQL is short of memory or another resource"), vault: vault)
        }
    }

    private func changed(_ vault: String) -> Failure {
        Failure(
            .unavailable, .vaultFailed, text("the table was changed while it was in use; try again"), vault: vault,
            retryable: true)
    }

    private func text(_ words: String) -> String {
        state.isEmpty ? words : "\(words) (SQLSTATE \(state))"
    }
}
