import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import Testing

@testable import CofferFly

/// What the API's refusals become: the errors of section 5.2 of what is known of it.
@Suite(.timeLimit(.minutes(1))) struct FlyFailureTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let status: Int
        let becomes: StatusCode
        var body = #"{"error":"raw text of the API token/1"}"#
        var retryable = false
        /// Of a write.
        var leavesDoubt = false
        var testDescription: String { "\(status) \(body)" }
    }

    static let rows: [Row] = [
        Row(status: 400, becomes: .invalidArgument), Row(status: 401, becomes: .unauthenticated),
        Row(status: 403, becomes: .permissionDenied),
        // The app: the absence of a secret is no failure, and never an absence of the record.
        Row(status: 404, becomes: .failedPrecondition), Row(status: 404, becomes: .failedPrecondition, body: #"{"message":"raw text"}"#),
        Row(status: 408, becomes: .deadlineExceeded, retryable: true, leavesDoubt: true),
        Row(status: 409, becomes: .aborted, retryable: true), Row(status: 412, becomes: .aborted, retryable: true),
        Row(status: 413, becomes: .invalidArgument), Row(status: 422, becomes: .invalidArgument),
        Row(status: 429, becomes: .resourceExhausted, retryable: true),
        Row(status: 500, becomes: .unavailable, retryable: true, leavesDoubt: true),
        Row(status: 502, becomes: .unavailable, retryable: true, leavesDoubt: true),
        Row(status: 503, becomes: .unavailable, retryable: true, leavesDoubt: true),
        Row(status: 504, becomes: .unavailable, retryable: true, leavesDoubt: true),
        // Not the API's.
        Row(status: 404, becomes: .unavailable, body: "<html>raw text</html>", retryable: true, leavesDoubt: true),
        Row(status: 302, becomes: .unavailable, body: "", retryable: true, leavesDoubt: true),
        Row(status: 418, becomes: .unavailable, body: "{}", retryable: true, leavesDoubt: true),
    ]

    private func failure(_ fixture: FlyFixture, _ call: String) async throws -> Failure? {
        let (vault, key) = (try fixture.vault(), try fixture.key())
        return await fixture.failure { () throws(Failure) in
            switch call {
            case "POST secrets": try await vault.put("text", fixture, key)
            case "DELETE secrets": _ = try await vault.remove(key, ifVersion: nil, deadline: fixture.deadline)
            default: try await vault.check(deadline: fixture.deadline)
            }
        }
    }

    @Test(arguments: rows, ["GET secrets", "POST secrets", "DELETE secrets"])
    func refusalsAreTold(_ row: Row, _ call: String) async throws {
        // An unset of what is not there is none.
        if call.hasPrefix("DELETE"), row.status == 404, row.becomes == .failedPrecondition { return }
        let fixture = FlyFixture()
        fixture.fake.set("CONNECTOR_user123_conn456", "old")
        fixture.fake.plan(call, row.status, row.body)
        let found = try #require(try await failure(fixture, call))
        #expect(found.code == row.becomes && found.retryable == row.retryable, "\(found)")
        #expect(found.mayHaveWritten == (row.leavesDoubt && !call.hasPrefix("GET")), "\(found)")
        #expect(!found.message.contains("raw text") && !found.message.contains("the-token") && found.vault == "fly")
    }

    @Test(arguments: ["<html>captive portal</html>", #"{"secrets":tr"#, "{}", #"{"secrets":null}"#, #"{"secrets":[{}]}"#, "[]"])
    func aGarbledListIsNoAnswer(_ body: String) async throws {
        let fixture = FlyFixture()
        fixture.fake.plan("GET secrets", 200, body)
        let found = try await failure(fixture, "GET secrets")
        #expect(found?.code == .unavailable && found?.retryable == true && found?.mayHaveWritten == false)
    }

    @Test(arguments: ["<html>captive portal</html>", "[]", #""text""#])
    func aGarbledAnswerToAWriteLeavesDoubt(_ body: String) async throws {
        let fixture = FlyFixture()
        fixture.fake.plan("POST secrets", 200, body)
        let found = try await failure(fixture, "POST secrets")
        #expect(found?.code == .internal)
        #expect(FailedWrite.violation(in: found, mayHaveWritten: true) == nil)
    }

    @Test func adviceAboutTheRateIsPassedOn() async throws {
        let fixture = FlyFixture()
        fixture.fake.plan("POST secrets", 429, headers: ["Retry-After": "7"])
        let found = try await failure(fixture, "POST secrets")
        #expect(found?.retryAfterMilliseconds == 7_000 && found?.effects.vault == .limited)
    }

    @Test func plainHTTPToAPortWithTLSIsNamed() async throws {
        let fixture = FlyFixture()
        fixture.fake.plan("GET secrets", 400, "Client sent an HTTP request to an HTTPS server.\n")
        let found = try await failure(fixture, "GET secrets")
        #expect(found?.code == .failedPrecondition && found?.message.contains("write https://") == true)
    }

    /// What Health shows says which of the two works.
    @Test(arguments: [401, 403, 503])
    func aFailureOfTheAPISaysThatReadingGoesOn(_ status: Int) async throws {
        let fixture = FlyFixture()
        fixture.environment { $0["CONNECTOR_user123_conn456"] = Secret("deployed") }
        fixture.fake.plan("GET secrets", status)
        #expect(try await failure(fixture, "GET secrets")?.message.contains("(reading needs no API, and goes on)") == true)
        #expect(try await fixture.vault().text(fixture, fixture.key()) == "deployed")
    }
}
