internal import CofferCore

/// How a connection or a statement failed.
enum PostgresFault: Error, Equatable {
    /// libpq.so.5 is not installed, or is older than version 13.
    case noLibrary
    /// Nobody answers at the address.
    case unreachable
    /// TLS failed: the certificate is not trusted, or one side has no TLS.
    case untrusted
    /// The server wants a password, and there is none.
    case noPassword
    /// The file with the password cannot be read.
    case noFile(Failure)
    /// The server refused the connection, with this SQLSTATE.
    case refusedConnection(String)
    /// The server refused the statement, with this SQLSTATE, and did nothing of it.
    case refused(String)
    /// The connection broke.
    case lost(isSent: Bool)
    /// The time is over, and some of it went by with the server.
    case late(isSent: Bool)
    /// The time was over before the server was asked for anything.
    case notBegun
    /// The wait was ended from outside.
    case woken
    /// A proxy lends its connections for one transaction each.
    case pooled
    /// The server is a standby.
    case standby
    /// The database checks no texts: its encoding is SQL_ASCII.
    case encoding
    /// The tables are not there, and may not or cannot be made.
    case noTables(PostgresTables.Refusal)
    /// The tables are of a later version.
    case newerTables(Int64)
    /// What came is not what the statement answers.
    case garbled

    /// The connection cannot be used again.
    var isOfConnection: Bool {
        switch self {
        case .notBegun: false
        case .refused(let state):
            // A demoted primary, a statement that somebody else prepared or changed, and tables that are gone: the next
            // connection looks for them.
            state.hasPrefix("57P") || state.hasPrefix("08")
                || ["", "25006", "26000", "42P05", "0A000"].contains(state) || isOfTables
        default: true
        }
    }

    /// The schema, a table or a column is missing.
    var isOfTables: Bool {
        guard case .refused(let state) = self else { return false }
        return ["42P01", "3F000", "42703"].contains(state)
    }

    /// - Parameter message: libpq's, of a connection that failed; of a refusal it ends in `:  28P01`.
    init(connecting message: String, needsPassword: Bool) {
        for line in message.split(separator: "\n") {
            let state = line.suffix(5)
            if line.dropLast(5).hasSuffix(":  "), state.utf8.count == 5, state.utf8.allSatisfy(Self.isOfState) {
                self = needsPassword && state == "28P01" ? .noPassword : .refusedConnection(String(state))
                return
            }
        }
        // Without what is quoted: hosts and files may be called anything.
        let words = message.split(separator: "\"", omittingEmptySubsequences: false).enumerated()
            .filter { $0.offset.isMultiple(of: 2) }.map(\.element).joined()
        if needsPassword {
            self = .noPassword
        } else if !words.contains("SSL SYSCALL"), words.contains("SSL") || words.contains("certificate") {
            self = .untrusted
        } else {
            self = .unreachable
        }
    }

    private static func isOfState(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
    }
}
