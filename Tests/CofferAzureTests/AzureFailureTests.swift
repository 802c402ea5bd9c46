import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Testing

@testable import CofferAzure

/// What every refusal means, and of every way in which a write fails whether it may have happened.
@Suite(.timeLimit(.minutes(1))) struct AzureFailureTests {
    private static func status(_ status: Int, _ code: String, _ inner: String? = nil) -> FailedWrite.Fault {
        .answer(status, FakeKeyVault.refusal(status, code, inner).body.text ?? "")
    }

    static let rows =
        FailedWrite.transport + [
            FailedWrite("throttled", status(429, "Throttled"), false), FailedWrite("denied", status(403, "Forbidden", "ForbiddenByRbac"), false),
            FailedWrite("the firewall", status(403, "Forbidden", "ForbiddenByFirewall"), false),
            FailedWrite("an argument", status(400, "BadParameter"), false), FailedWrite("a conflict", status(409, "ConflictError"), false),
            FailedWrite("429 of a proxy", .answer(429, ""), false), FailedWrite("413 of a proxy", .answer(413, ""), false),
            FailedWrite("500", status(500, "InternalError"), true), FailedWrite("502 of a proxy", .answer(502, "<html>"), true),
            FailedWrite("503", status(503, "ServiceUnavailable"), true), FailedWrite("504", .answer(504, ""), true),
            FailedWrite("404 of a proxy", .answer(404, "<html>"), true), FailedWrite("a redirect", .answer(302, ""), true),
            FailedWrite("no answer of the service", .answer(200, "<html>"), true), FailedWrite("no secret", .answer(200, "{}"), true),
        ]

    private func plan(_ row: FailedWrite, _ operation: FakeKeyVault.Operation, _ fixture: AzureFixture) {
        switch row.fault {
        case .answer(let status, let body): fixture.fake.plan(operation, .response(.azure(status, body)))
        case .error(let error): fixture.fake.plan(operation, .error(error))
        }
    }

    @Test(arguments: rows, [FakeKeyVault.Operation.get, .set, .delete, .update])
    func saysWhetherItMayHaveHappened(row: FailedWrite, operation: FakeKeyVault.Operation) async throws {
        let fixture = AzureFixture(deleted: operation == .delete ? .purge : .recover)
        let vault = try fixture.vault()
        let isRemoval = operation == .delete || operation == .update
        if isRemoval { fixture.fake.put(AzureFixture.secret, "{}") }
        plan(row, operation, fixture)
        let found = await failure { () async throws(Failure) in
            if isRemoval { _ = try await fixture.remove(vault) } else { _ = try await fixture.write(vault, fixture.item()) }
        }
        // Who may not mark what is deleted deletes it all the same.
        if operation == .update, found == nil { return #expect(["denied"].contains(row.description)) }
        #expect(FailedWrite.violation(in: found, mayHaveWritten: operation != .get && row.mayHaveWritten) == nil)
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let status: Int
        let code: String
        var inner: String?
        let expected: StatusCode
        let retryable: Bool
        let says: String
        var testDescription: String { "\(status) \(code) \(inner ?? "")" }
    }

    /// The paper's table.
    @Test(arguments: [
        Row(status: 400, code: "BadParameter", expected: .invalidArgument, retryable: false, says: "invalid"),
        Row(status: 400, code: "BadArgument", expected: .invalidArgument, retryable: false, says: "invalid"),
        Row(status: 401, code: "Unauthorized", expected: .unauthenticated, retryable: false, says: "tenant_id"),
        Row(status: 403, code: "Forbidden", inner: "AccessDenied", expected: .permissionDenied, retryable: false, says: "access policy"),
        Row(status: 403, code: "Forbidden", inner: "ForbiddenByPolicy", expected: .permissionDenied, retryable: false, says: "access policy"),
        Row(status: 403, code: "Forbidden", inner: "ForbiddenByRbac", expected: .permissionDenied, retryable: false, says: "role"),
        Row(status: 403, code: "Forbidden", inner: "ForbiddenByFirewall", expected: .permissionDenied, retryable: false, says: "firewall"),
        Row(status: 403, code: "Forbidden", expected: .permissionDenied, retryable: false, says: "role"),
        Row(status: 403, code: "Forbidden", inner: "SecretDisabled", expected: .failedPrecondition, retryable: false, says: "disabled"),
        Row(status: 409, code: "Conflict", inner: "ObjectIsBeingRecovered", expected: .aborted, retryable: true, says: "being recovered"),
        Row(status: 409, code: "ConflictError", expected: .aborted, retryable: true, says: "another writer"),
        Row(status: 429, code: "Throttled", expected: .resourceExhausted, retryable: true, says: "too many calls"),
        Row(status: 500, code: "InternalServerError", expected: .unavailable, retryable: true, says: "not available"),
        Row(status: 502, code: "BadGateway", expected: .unavailable, retryable: true, says: "not available"),
        Row(status: 503, code: "ServiceUnavailable", expected: .unavailable, retryable: true, says: "not available"),
        Row(status: 504, code: "GatewayTimeout", expected: .deadlineExceeded, retryable: true, says: "timed out"),
    ])
    func saysWhatIsWrong(row: Row) async throws {
        let fixture = AzureFixture()
        let vault = try fixture.vault()
        // Twice, for the one that is answered by a new login.
        for _ in 0..<2 { fixture.fake.plan(.get, row.status, row.code, row.inner, headers: ["Retry-After": "7"]) }
        let found = await failure { () async throws(Failure) in try await fixture.read(vault) }
        let failure = try #require(found)
        #expect(failure.code == row.expected && failure.retryable == row.retryable)
        #expect(failure.retryAfterMilliseconds == 7_000 && !failure.mayHaveWritten)
        #expect(failure.message.contains(row.says) && !failure.message.contains("SECRET-TEXT"), "\(failure.message)")
    }

    @Test(arguments: ["SecretNotFound"], ["", "ObjectIsDeletedButRecoverable", "ObjectIsBeingDeleted"])
    func whatIsAbsentOrDeletedIsAbsent(code: String, inner: String) async throws {
        let fixture = AzureFixture()
        let vault = try fixture.vault()
        fixture.fake.plan(.get, inner.isEmpty ? 404 : 409, inner.isEmpty ? code : "Conflict", inner.isEmpty ? nil : inner)
        #expect(try await fixture.read(vault) == nil)
    }

    /// Absence must not be guessed: another server may have answered.
    @Test(arguments: ["", "<html>", "{}", #"{"error":"x"}"#, #"{"error":{"code":"ResourceNotFound"}}"#])
    func a404OfAnotherServerIsNoAbsence(body: String) async throws {
        let fixture = AzureFixture()
        let vault = try fixture.vault()
        fixture.fake.plan(.get, .response(.azure(404, body)))
        let found = await failure { () async throws(Failure) in try await fixture.read(vault) }
        #expect(found?.code == .unavailable && found?.retryable == true && found?.message.contains("vault_url") == true)
    }

    @Test func theInnermostCodeThatIsKnownCounts() {
        let body = #"{"error":{"code":"Forbidden","innererror":{"code":"New","innererror":{"code":"SecretDisabled"}}}}"#
        #expect(AzureRefusal(.azure(403, body)).kind == .disabled)
        #expect(AzureRefusal(.azure(403, #"{"error":{"code":"Forbidden","innererror":{"code":"New"}}}"#)).kind == .denied)
        #expect(AzureRefusal(.azure(400, "Client sent an HTTP request to an HTTPS server.")).kind == .plainHTTP)
    }
}
