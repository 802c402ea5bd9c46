import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Testing

@testable import CofferGoogle

/// Of every way in which a write fails: whether it may have happened. What surely did not leaves the cache as it was.
@Suite(.timeLimit(.minutes(1))) struct GoogleFailedWriteTests {
    private static func status(_ code: Int, _ status: String, reason: String? = nil) -> FailedWrite.Fault {
        .answer(code, FakeSecretManager.refusal(code, status, reason: reason).body.text ?? "")
    }

    static let google =
        FailedWrite.transport + [
            FailedWrite("throttled", status(429, "RESOURCE_EXHAUSTED"), false),
            FailedWrite("denied", status(403, "PERMISSION_DENIED"), false),
            FailedWrite("the API is off", status(403, "PERMISSION_DENIED", reason: "SERVICE_DISABLED"), false),
            FailedWrite("billing is off", status(403, "PERMISSION_DENIED", reason: "BILLING_DISABLED"), false),
            FailedWrite("no scope", status(403, "PERMISSION_DENIED", reason: "ACCESS_TOKEN_SCOPE_INSUFFICIENT"), false),
            FailedWrite("a wrong quota project", status(403, "PERMISSION_DENIED", reason: "USER_PROJECT_DENIED"), false),
            FailedWrite("an argument", status(400, "INVALID_ARGUMENT"), false),
            FailedWrite("not supported", status(501, "UNIMPLEMENTED"), false),
            FailedWrite("a conflict", status(409, "ABORTED"), false),
            FailedWrite("429 of a proxy", .answer(429, ""), false), FailedWrite("503 of a proxy", .answer(503, ""), true),
            // google.rpc.Code: a call that ended so may have been carried out.
            FailedWrite("unavailable", status(503, "UNAVAILABLE"), true), FailedWrite("internal", status(500, "INTERNAL"), true),
            FailedWrite("unknown", status(500, "UNKNOWN"), true), FailedWrite("data loss", status(500, "DATA_LOSS"), true),
            FailedWrite("too late", status(504, "DEADLINE_EXCEEDED"), true),
            FailedWrite("cancelled there", status(499, "CANCELLED"), true),
            FailedWrite("502 of a proxy", .answer(502, "<html>"), true), FailedWrite("404 of a proxy", .answer(404, "<html>"), true),
            FailedWrite("no answer of the service", .answer(200, "<html>"), true),
        ]

    private func plan(_ row: FailedWrite, _ operation: FakeSecretManager.Operation, _ fixture: GoogleFixture) {
        switch row.fault {
        case .answer(let status, let body): fixture.fake.plan(operation, .response(.google(status, body)))
        case .error(let error): fixture.fake.plan(operation, .error(error))
        }
    }

    @Test(arguments: google, [FakeSecretManager.Operation.access, .create, .addVersion, .delete])
    func saysWhetherItMayHaveHappened(row: FailedWrite, operation: FakeSecretManager.Operation) async throws {
        let fixture = GoogleFixture()
        let vault = try fixture.vault()
        let key = try fixture.key()
        plan(row, operation, fixture)
        let failure = await failure { () async throws(Failure) in
            if operation == .delete {
                _ = try await vault.remove(key, ifVersion: nil, deadline: fixture.deadline)
            } else {
                _ = try await vault.write(key, fixture.item(), condition: .none, deadline: fixture.deadline)
            }
        }
        // A secret without a version is no record, so making one writes none.
        let isWrite = operation == .addVersion || operation == .delete
        #expect(FailedWrite.violation(in: failure, mayHaveWritten: isWrite && row.mayHaveWritten) == nil)
        if operation == .addVersion { #expect(failure?.isUnsent == false, "the secret was made before") }
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let code: Int
        let status: String
        var reason: String?
        let expected: StatusCode
        let retryable: Bool
        let says: String
        var testDescription: String { reason ?? "\(status) \(code)" }
    }

    /// The paper's table.
    @Test(arguments: [
        Row(code: 400, status: "INVALID_ARGUMENT", expected: .invalidArgument, retryable: false, says: "invalid"),
        Row(code: 400, status: "OUT_OF_RANGE", expected: .failedPrecondition, retryable: false, says: "does not support"),
        Row(code: 501, status: "UNIMPLEMENTED", expected: .failedPrecondition, retryable: false, says: "does not support"),
        Row(code: 401, status: "UNAUTHENTICATED", expected: .unauthenticated, retryable: false, says: "not accepted"),
        Row(code: 403, status: "PERMISSION_DENIED", expected: .permissionDenied, retryable: false, says: "role in the manual"),
        Row(code: 403, status: "PERMISSION_DENIED", reason: "SERVICE_DISABLED", expected: .failedPrecondition, retryable: false, says: "secretmanager.googleapis.com"),
        Row(code: 403, status: "PERMISSION_DENIED", reason: "BILLING_DISABLED", expected: .failedPrecondition, retryable: false, says: "billing"),
        Row(code: 403, status: "PERMISSION_DENIED", reason: "CONSUMER_INVALID", expected: .failedPrecondition, retryable: false, says: "quota_project"),
        Row(code: 403, status: "PERMISSION_DENIED", reason: "ACCESS_TOKEN_SCOPE_INSUFFICIENT", expected: .permissionDenied, retryable: false, says: "cloud-platform"),
        Row(code: 409, status: "ABORTED", expected: .aborted, retryable: true, says: "another writer"),
        Row(code: 499, status: "CANCELLED", expected: .aborted, retryable: true, says: "cancelled"),
        Row(code: 429, status: "RESOURCE_EXHAUSTED", expected: .resourceExhausted, retryable: true, says: "quota"),
        Row(code: 500, status: "INTERNAL", expected: .internal, retryable: true, says: "internal error"),
        Row(code: 500, status: "UNKNOWN", expected: .internal, retryable: true, says: "internal error"),
        Row(code: 500, status: "DATA_LOSS", expected: .internal, retryable: true, says: "internal error"),
        Row(code: 503, status: "UNAVAILABLE", expected: .unavailable, retryable: true, says: "not available"),
        Row(code: 504, status: "DEADLINE_EXCEEDED", expected: .deadlineExceeded, retryable: true, says: "timed out"),
    ])
    func saysWhatIsWrong(row: Row) async throws {
        let fixture = GoogleFixture()
        let vault = try fixture.vault()
        // Twice, for the one that is answered by a new login.
        for _ in 0..<2 { fixture.fake.plan(.access, row.code, row.status, reason: row.reason, headers: ["Retry-After": "7"]) }
        let found = await failure { () async throws(Failure) in
            try await vault.read(try fixture.key(), deadline: fixture.deadline)
        }
        let failure = try #require(found)
        #expect(failure.code == row.expected && failure.retryable == row.retryable)
        #expect(failure.retryAfterMilliseconds == 7_000 && !failure.mayHaveWritten)
        #expect(failure.message.contains(row.says) && !failure.message.contains("SECRET-TEXT"), "\(failure.message)")
    }

    @Test func takesTheServicesAdviceWhenToTryAgain() {
        let body = #"{"error":{"status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.5s"}]}}"#
        #expect(GoogleRefusal(.google(429, body)) == GoogleRefusal(.throttled, retryAfter: 1_500))
        #expect(GoogleRefusal(.google(429, body.replacing("1.5s", with: "9e99s"))).retryAfter == 3_600_000)
        #expect(GoogleRefusal(.google(429, body.replacing("1.5s", with: "nans"))).retryAfter == 0)
    }
}
