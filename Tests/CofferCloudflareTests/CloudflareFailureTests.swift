import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Testing

@testable import CofferCloudflare

/// What the API's refusals become, and whether a write that failed may have happened.
@Suite(.timeLimit(.minutes(1))) struct CloudflareFailureTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let status: Int
        let code: Int
        var message = "raw text of the API"
        let becomes: StatusCode
        var retryable = false
        var testDescription: String { "\(status) \(code) \(message)" }
    }

    private func check(_ row: Row, _ failure: Failure?) throws {
        let found = try #require(failure)
        #expect(found.code == row.becomes && found.retryable == row.retryable, "\(found)")
        #expect(!found.message.contains("raw text") && !found.message.contains("_found") && !found.message.contains("token/1"))
        #expect(found.vault == "kv" && found.message.utf8.count > 40)
    }

    // MARK: Workers KV

    static let workersKV: [Row] = [
        Row(status: 404, code: 10013, becomes: .failedPrecondition), Row(status: 400, code: 10012, becomes: .invalidArgument),
        Row(status: 400, code: 10029, becomes: .invalidArgument), Row(status: 400, code: 10034, becomes: .invalidArgument),
        Row(status: 404, code: 7003, becomes: .failedPrecondition), Row(status: 400, code: 7003, becomes: .failedPrecondition),
        Row(status: 400, code: 10011, becomes: .failedPrecondition), Row(status: 405, code: 10405, becomes: .internal),
        Row(status: 401, code: 10000, becomes: .unauthenticated), Row(status: 403, code: 10000, becomes: .permissionDenied),
        Row(status: 400, code: 10000, becomes: .permissionDenied), Row(status: 403, code: 9109, becomes: .unauthenticated),
        Row(status: 400, code: 6003, becomes: .unauthenticated), Row(status: 400, code: 10041, becomes: .invalidArgument),
        Row(status: 403, code: 10037, becomes: .permissionDenied), Row(status: 429, code: 971, becomes: .resourceExhausted, retryable: true),
        Row(status: 429, code: 10022, becomes: .resourceExhausted, retryable: true),
        Row(status: 500, code: 10001, becomes: .unavailable, retryable: true),
        // By the status, where the code is not known.
        Row(status: 401, code: 1, becomes: .unauthenticated), Row(status: 403, code: 1, becomes: .permissionDenied),
        Row(status: 400, code: 1, becomes: .invalidArgument), Row(status: 429, code: 1, becomes: .resourceExhausted, retryable: true),
        Row(status: 500, code: 1, becomes: .unavailable, retryable: true), Row(status: 502, code: 1, becomes: .unavailable, retryable: true),
        Row(status: 503, code: 1, becomes: .unavailable, retryable: true), Row(status: 520, code: 1, becomes: .unavailable, retryable: true),
        // Never an absence: only the API's own word is.
        Row(status: 404, code: 1, becomes: .unavailable, retryable: true),
        Row(status: 404, code: 10009, becomes: .unavailable),
    ]

    @Test(arguments: workersKV)
    func refusalsOfWorkersKVAreTold(_ row: Row) async throws {
        for call in ["POST bulk/get", "PUT values", "GET keys"] where call != "PUT values" || row.code != 10041 {
            let fixture = CloudflareFixture()
            fixture.fake.plan(call, row.status, code: row.code, row.message + " token/1")
            let (vault, key) = (fixture.vault(), try fixture.key())
            let failure = await fixture.failure { () throws(Failure) in
                switch call {
                case "PUT values": _ = try await vault.write(key, fixture.item(), condition: .none, deadline: fixture.deadline)
                case "GET keys": _ = try await vault.list(user: nil, after: nil, limit: 10, deadline: fixture.deadline)
                default: _ = try await vault.read(key, deadline: fixture.deadline)
                }
            }
            try check(row, failure)
        }
    }

    @Test(arguments: [
        (200, "<html>captive portal</html>", StatusCode.unavailable), (200, #"{"success":tr"#, .unavailable),
        (200, "{}", .unavailable), (404, "<html>nothing here</html>", .unavailable), (302, "", .unavailable),
        (403, "<html>blocked</html>", .permissionDenied), (502, "<html>bad gateway</html>", .unavailable),
        (200, #"{"success":true,"result":{"values":{}}}"#, .unavailable), (200, #"{"success":true,"result":null}"#, .unavailable),
        (200, #"{"success":false,"errors":[{"code":10013,"message":"x"}]}"#, .failedPrecondition),
    ])
    func answersOfOthersMakeNoRecordAbsent(_ status: Int, _ body: String, _ code: StatusCode) async throws {
        let fixture = CloudflareFixture()
        fixture.fake.plan("POST bulk/get", .response(HTTPResponse(status: status, body: Secret(body))))
        let (vault, key) = (fixture.vault(), try fixture.key())
        let failure = await fixture.failure { () throws(Failure) in try await vault.read(key, deadline: fixture.deadline) }
        #expect(failure?.code == code, "\(failure?.message ?? "nothing")")
    }

    @Test func plainHTTPToAPortWithTLSIsNamed() async throws {
        let fixture = CloudflareFixture()
        let body = "Client sent an HTTP request to an HTTPS server.\n"
        fixture.fake.plan("POST bulk/get", .response(HTTPResponse(status: 400, body: Secret(body))))
        let (vault, key) = (fixture.vault(), try fixture.key())
        let failure = await fixture.failure { () throws(Failure) in try await vault.read(key, deadline: fixture.deadline) }
        #expect(failure?.code == .failedPrecondition && failure?.isUnsent == true)
        #expect(failure?.message.contains("write https://") == true && failure?.effects.mayServeStale == true)
    }

    @Test(arguments: ["PUT values", "DELETE values"], [503, 500])
    func aWriteMayHaveHappenedThatTheServiceWasNotAvailableFor(_ call: String, _ status: Int) async throws {
        let fixture = CloudflareFixture()
        fixture.fake.plan(call, status, code: 10001)
        let (vault, key) = (fixture.vault(), try fixture.key())
        let failure = await fixture.failure { () throws(Failure) in
            if call.hasPrefix("DELETE") {
                _ = try await vault.remove(key, ifVersion: nil, deadline: fixture.deadline)
            } else {
                _ = try await vault.write(key, fixture.item(), condition: .none, deadline: fixture.deadline)
            }
        }
        #expect(failure?.code == .unavailable)
        #expect(FailedWrite.violation(in: failure, mayHaveWritten: true) == nil)
    }

    @Test func adviceAboutTheRateIsPassedOn() async throws {
        let fixture = CloudflareFixture()
        fixture.fake.plan("POST bulk/get", 429, code: 971, headers: ["Retry-After": "7"])
        let (vault, key) = (fixture.vault(), try fixture.key())
        let failure = await fixture.failure { () throws(Failure) in try await vault.read(key, deadline: fixture.deadline) }
        #expect(failure?.retryAfterMilliseconds == 7_000 && failure?.effects.vault == .limited)
    }

    @Test func aPageOfTheEdgeThatSaysTooManyIsTheLimitOfTheRate() async throws {
        let fixture = CloudflareFixture()
        let headers: HTTPFields = ["retry-after-ms": "1500.2", "Retry-After": "9"]
        fixture.fake.plan("POST bulk/get", .response(HTTPResponse(status: 429, headers: headers, body: Secret("<html>"))))
        let (vault, key) = (fixture.vault(), try fixture.key())
        let failure = await fixture.failure { () throws(Failure) in try await vault.read(key, deadline: fixture.deadline) }
        #expect(failure?.code == .resourceExhausted && failure?.retryAfterMilliseconds == 1_501)
        #expect(failure?.message.contains("1,200 in 5 minutes") == true)
    }

    // MARK: Secrets Store

    static let secretsStore: [Row] = [
        Row(status: 404, code: 1001, message: "store_not_found", becomes: .failedPrecondition),
        Row(status: 400, code: 1001, message: "secret_scopes_empty", becomes: .invalidArgument),
        Row(status: 400, code: 1001, message: "invalid_json_body", becomes: .invalidArgument),
        Row(status: 400, code: 7003, becomes: .failedPrecondition), Row(status: 403, code: 10000, becomes: .permissionDenied),
        Row(status: 401, code: 10000, becomes: .unauthenticated), Row(status: 401, code: 1000, becomes: .unauthenticated),
        Row(status: 400, code: 1003, message: "maximum_secrets_exceeded", becomes: .resourceExhausted),
        Row(status: 429, code: 971, becomes: .resourceExhausted, retryable: true),
        Row(status: 500, code: 1, becomes: .unavailable, retryable: true),
    ]

    @Test(arguments: secretsStore)
    func refusalsOfTheSecretsStoreAreTold(_ row: Row) async throws {
        let fixture = CloudflareFixture()
        fixture.fake.plan("POST stores/secrets", row.status, code: row.code, row.message)
        let (store, key) = (fixture.store(), try fixture.key())
        let failure = await fixture.failure { () throws(Failure) in
            try await store.write(key, fixture.item(), condition: .none, deadline: fixture.deadline)
        }
        try check(row, failure)
    }

    // MARK: Whether a write may have happened

    static let rows =
        FailedWrite.transport + [
            FailedWrite("429", .answer(429, #"{"success":false,"errors":[{"code":971}]}"#), false),
            FailedWrite("503 of a gateway", .answer(503, ""), true),
            FailedWrite("503", .answer(503, #"{"success":false,"errors":[{"code":971}]}"#), false),
            FailedWrite("denied", .answer(403, #"{"success":false,"errors":[{"code":10000}]}"#), false),
            FailedWrite("a parameter", .answer(400, #"{"success":false,"errors":[{"code":10034}]}"#), false),
            FailedWrite("no namespace", .answer(404, #"{"success":false,"errors":[{"code":7003}]}"#), false),
            FailedWrite("500", .answer(500, ""), true), FailedWrite("502", .answer(502, "<html>"), true),
            FailedWrite("504", .answer(504, ""), true), FailedWrite("522", .answer(522, ""), true),
            FailedWrite("no answer of the API", .answer(200, "<html>"), true),
            FailedWrite("a cut answer", .answer(200, #"{"success":tr"#), true),
        ]

    private func plan(_ row: FailedWrite, _ call: String, _ fixture: CloudflareFixture) {
        switch row.fault {
        case .answer(let status, let body):
            fixture.fake.plan(call, .response(HTTPResponse(status: status, body: Secret(body))))
        case .error(let error): fixture.fake.plan(call, .error(error))
        }
    }

    @Test(arguments: rows, ["POST bulk/get", "PUT values", "DELETE values"])
    func saysWhetherItMayHaveHappened(row: FailedWrite, call: String) async throws {
        let fixture = CloudflareFixture()
        let (vault, key) = (fixture.vault(), try fixture.key())
        // A read whose answer is too large is of a record that is none, which is replaced.
        if call == "POST bulk/get", case .error(let error) = row.fault, case .tooLarge = error.cause { return }
        plan(row, call, fixture)
        let failure = await fixture.failure { () throws(Failure) in
            if call == "DELETE values" {
                _ = try await vault.remove(key, ifVersion: nil, deadline: fixture.deadline)
            } else {
                _ = try await vault.write(key, fixture.item(), condition: .none, deadline: fixture.deadline)
            }
        }
        #expect(FailedWrite.violation(in: failure, mayHaveWritten: call != "POST bulk/get" && row.mayHaveWritten) == nil)
    }

    @Test(arguments: rows, ["GET stores/secrets", "POST stores/secrets", "PATCH stores/secrets", "DELETE stores/secrets"])
    func saysWhetherASecretMayHaveChanged(row: FailedWrite, call: String) async throws {
        let fixture = CloudflareFixture()
        let (store, key) = (fixture.store(), try fixture.key())
        if call == "PATCH stores/secrets" || call == "DELETE stores/secrets" {
            _ = try await store.write(key, fixture.item(), condition: .none, deadline: fixture.deadline)
        }
        plan(row, call, fixture)
        let failure = await fixture.failure { () throws(Failure) in
            if call == "DELETE stores/secrets" {
                _ = try await store.remove(key, ifVersion: nil, deadline: fixture.deadline)
            } else {
                _ = try await store.write(key, fixture.item(), condition: .none, deadline: fixture.deadline)
            }
        }
        #expect(FailedWrite.violation(in: failure, mayHaveWritten: call != "GET stores/secrets" && row.mayHaveWritten) == nil)
    }
}
