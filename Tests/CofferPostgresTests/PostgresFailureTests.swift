import CofferCore
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Testing

@testable import CofferPostgres

/// What SQLSTATEs and broken connections become.
@Suite struct PostgresFailureTests {
    struct Row: Sendable {
        let state: String
        let code: StatusCode
        let reason: Failure.Reason
        var retryable = false
        var mayHaveWritten = false
    }

    private static let rows = [
        Row(state: "23505", code: .alreadyExists, reason: .vaultRefused),
        Row(state: "23502", code: .invalidArgument, reason: .vaultRefused),
        Row(state: "23503", code: .invalidArgument, reason: .vaultRefused),
        Row(state: "23514", code: .invalidArgument, reason: .vaultRefused),
        Row(state: "22001", code: .invalidArgument, reason: .vaultRefused),
        Row(state: "22021", code: .invalidArgument, reason: .vaultRefused),
        Row(state: "22023", code: .invalidArgument, reason: .vaultRefused),
        Row(state: "22P02", code: .invalidArgument, reason: .vaultRefused),
        Row(state: "54000", code: .invalidArgument, reason: .vaultRefused),
        Row(state: "40001", code: .aborted, reason: .vaultRefused, retryable: true),
        Row(state: "40P01", code: .aborted, reason: .vaultRefused, retryable: true),
        Row(state: "55P03", code: .aborted, reason: .vaultRefused, retryable: true),
        Row(state: "57014", code: .deadlineExceeded, reason: .deadline, retryable: true, mayHaveWritten: true),
        Row(state: "57P01", code: .unavailable, reason: .vaultFailed, retryable: true, mayHaveWritten: true),
        Row(state: "57P02", code: .unavailable, reason: .vaultFailed, retryable: true, mayHaveWritten: true),
        Row(state: "57P03", code: .unavailable, reason: .vaultFailed, retryable: true, mayHaveWritten: true),
        Row(state: "08006", code: .unavailable, reason: .vaultFailed, retryable: true, mayHaveWritten: true),
        Row(state: "08P01", code: .unavailable, reason: .vaultFailed, retryable: true, mayHaveWritten: true),
        Row(state: "25006", code: .unavailable, reason: .vaultFailed, retryable: true),
        Row(state: "0A000", code: .unavailable, reason: .vaultFailed, retryable: true),
        Row(state: "28000", code: .unauthenticated, reason: .vaultRefused),
        Row(state: "28P01", code: .unauthenticated, reason: .vaultRefused),
        Row(state: "42501", code: .permissionDenied, reason: .vaultRefused),
        Row(state: "3D000", code: .failedPrecondition, reason: .vaultRefused),
        Row(state: "3F000", code: .failedPrecondition, reason: .vaultRefused),
        Row(state: "42P01", code: .failedPrecondition, reason: .vaultRefused),
        Row(state: "42703", code: .failedPrecondition, reason: .vaultRefused),
        Row(state: "26000", code: .failedPrecondition, reason: .vaultRefused),
        Row(state: "42P05", code: .failedPrecondition, reason: .vaultRefused),
        Row(state: "53300", code: .resourceExhausted, reason: .limit, retryable: true),
        Row(state: "53100", code: .resourceExhausted, reason: .disk),
        Row(state: "53200", code: .resourceExhausted, reason: .limit),
        Row(state: "53400", code: .resourceExhausted, reason: .limit),
        Row(state: "XX000", code: .internal, reason: .vaultFailed, mayHaveWritten: true),
        Row(state: "P0001", code: .internal, reason: .vaultFailed, mayHaveWritten: true),
    ]

    @Test(arguments: rows) func states(row: Row) {
        let write = Failure.postgres(.refused(row.state), .write, vault: "v")
        #expect(write.code == row.code && write.reason == row.reason && write.retryable == row.retryable, "\(row)")
        #expect(write.mayHaveWritten == row.mayHaveWritten && !write.isUnsent && write.vault == "v", "\(row)")
        let isPooled = ["26000", "42P05"].contains(row.state)
        #expect(write.message.contains(isPooled ? "pooler" : row.state))
        let read = Failure.postgres(.refused(row.state), .read, vault: "v")
        #expect(read.code == row.code && !read.mayHaveWritten, "\(row)")
        // While connecting, nothing of a call was sent.
        let connecting = Failure.postgres(.refusedConnection(row.state), .write, vault: "v")
        #expect(connecting.code == row.code && !connecting.mayHaveWritten, "\(row)")
        #expect(connecting.isUnsent == row.retryable, "\(row)")
    }

    @Test(arguments: [
        (.lost(isSent: true), true), (.late(isSent: true), true), (.garbled, true), (.lost(isSent: false), false),
        (.late(isSent: false), false), (.unreachable, false), (.untrusted, false), (.noPassword, false), (.standby, false),
        (.noLibrary, false), (.pooled, false), (.noTables(.denied), false), (.noTables(.notAllowed), false),
        (.newerTables(9), false), (.encoding, false), (.noFile(.fileUnreadable("/f", "why")), false), (.woken, false),
    ] as [(PostgresFault, Bool)])
    func brokenConnections(fault: PostgresFault, mayHaveWritten: Bool) {
        let write = Failure.postgres(fault, .write, vault: "v")
        #expect(FailedWrite.violation(in: write, mayHaveWritten: mayHaveWritten) == nil)
        #expect(!Failure.postgres(fault, .read, vault: "v").mayHaveWritten)
        #expect(fault.isOfConnection)
    }

    /// A server that hangs is an outage, which is logged and shown by Health: no caller that gave too little time.
    @Test func aServerThatDoesNotAcceptConnectionsIsOut() {
        let failure = Failure.postgres(.late(isSent: false), .write, vault: "v")
        #expect(failure.code == .deadlineExceeded && failure.reason == .vaultUnreachable)
    }

    /// Too little time is the caller's: the server was not asked for anything, and its connection is as good as before.
    @Test func aServerThatIsNotAskedIsNotOut() {
        let failure = Failure.postgres(.notBegun, .write, vault: "v")
        #expect(failure == .notBegun(vault: "v") && failure.reason == .deadline && failure.isUnsent)
        #expect(!PostgresFault.notBegun.isOfConnection)
    }

    /// The daemon repeats a write by itself only where nothing was sent.
    @Test func whatWasSentIsNotUnsent() {
        for fault in [.lost(isSent: true), .late(isSent: true), .garbled, .refused("57P01")] as [PostgresFault] {
            #expect(!Failure.postgres(fault, .write, vault: "v").isUnsent)
        }
        for fault in [.lost(isSent: false), .late(isSent: false), .unreachable, .standby, .refusedConnection("57P03")] as [PostgresFault] {
            let failure = Failure.postgres(fault, .write, vault: "v")
            #expect(failure.isUnsent && failure.retryable)
        }
    }

    /// A set-up that somebody broke does not end what is cached.
    @Test(arguments: [
        .noLibrary, .pooled, .noTables(.denied), .noTables(.notAllowed), .newerTables(9), .encoding,
    ] as [PostgresFault])
    func setUpFaultsLetTheCacheStandIn(fault: PostgresFault) {
        let failure = Failure.postgres(fault, .read, vault: "v")
        #expect(failure.code == .failedPrecondition && failure.isUnsent && failure.effects.mayServeStale)
    }

    @Test(arguments: [
        ("connection to server at \"127.0.0.1\", port 5432 failed: FATAL:  28P01", false, .refusedConnection("28P01")),
        ("connection to server at \"h\", port 5432 failed: VALGARO:  57P03\n", false, .refusedConnection("57P03")),
        ("connection to server at \"h\", port 1 failed: Connection refused\n\tIs the server running?", false, .unreachable),
        ("could not translate host name \"h\" to address: Name or service not known", false, .unreachable),
        ("connection to server at \"h\", port 1 failed: fe_sendauth: no password supplied", true, .noPassword),
        ("connection to server at \"h\", port 1 failed: SSL error: certificate verify failed", false, .untrusted),
        ("server certificate for \"a\" does not match host name \"b\"", false, .untrusted),
        ("root certificate file \"/x\" does not exist", false, .untrusted),
        ("server does not support SSL, but SSL was required", false, .untrusted),
        ("SSL SYSCALL error: Connection reset by peer", false, .unreachable),
        ("could not translate host name \"SSL.certificate.example\" to address: Name or service not known", false, .unreachable),
        ("connection to server on socket \"/certificates/.s.PGSQL.5432\" failed: No such file or directory", false, .unreachable),
        ("server closed the connection unexpectedly", false, .unreachable), ("", false, .unreachable),
    ] as [(String, Bool, PostgresFault)])
    func connecting(message: String, needsPassword: Bool, fault: PostgresFault) {
        #expect(PostgresFault(connecting: message, needsPassword: needsPassword) == fault)
    }

    @Test(arguments: [("23505", false), ("57014", false), ("42P01", true), ("3F000", true), ("42703", true), ("40001", false), ("57P01", true), ("08006", true), ("25006", true), ("26000", true), ("0A000", true), ("", true)])
    func connectionsThatAreKept(state: String, isOfConnection: Bool) {
        #expect(PostgresFault.refused(state).isOfConnection == isOfConnection)
    }
}
