import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Testing

@testable import CofferAWS

/// Of every way in which a write fails: whether it may have happened. What surely did not leaves
/// the cache as it was.
@Suite(.timeLimit(.minutes(1))) struct AWSFailedWriteTests {
    static let aws =
        FailedWrite.transport + [
            FailedWrite("throttled", .answer(400, #"{"__type":"ThrottlingException"}"#), false),
            FailedWrite("429", .answer(429, ""), false), FailedWrite("503 of a gateway", .answer(503, ""), true),
            FailedWrite("503", .answer(503, #"{"__type":"ServiceUnavailable"}"#), false),
            FailedWrite("denied", .answer(400, #"{"__type":"AccessDeniedException"}"#), false),
            FailedWrite("a parameter", .answer(400, #"{"__type":"InvalidParameterException"}"#), false),
            FailedWrite("a quota", .answer(400, #"{"__type":"LimitExceededException"}"#), false),
            FailedWrite("500", .answer(500, #"{"__type":"InternalServiceError"}"#), true), FailedWrite("502", .answer(502, ""), true),
            FailedWrite("504", .answer(504, ""), true), FailedWrite("no answer of the service", .answer(200, "<html>"), true),
        ]

    private func check(_ failure: Failure?, _ mayHaveWritten: Bool) {
        #expect(FailedWrite.violation(in: failure, mayHaveWritten: mayHaveWritten) == nil)
    }

    private func plan(_ row: FailedWrite, _ operation: String, _ fixture: AWSFixture) {
        switch row.fault {
        case .answer(let status, let body):
            fixture.fake.plan(operation, .response(HTTPResponse(status: status, body: Secret(body))))
        case .error(let error): fixture.fake.plan(operation, .error(error))
        }
    }

    @Test(arguments: aws, ["GetSecretValue", "CreateSecret", "DeleteSecret"])
    func saysWhetherItMayHaveHappened(row: FailedWrite, operation: String) async throws {
        let fixture = AWSFixture()
        let vault = try fixture.vault()
        let key = try fixture.key()
        plan(row, operation, fixture)
        let failure = await failure { () async throws(Failure) in
            if operation == "DeleteSecret" {
                _ = try await vault.remove(key, ifVersion: nil, deadline: fixture.deadline)
            } else {
                _ = try await vault.write(key, fixture.item(), condition: .none, deadline: fixture.deadline)
            }
        }
        check(failure, operation != "GetSecretValue" && row.mayHaveWritten)
    }
}
