import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import Testing

@testable import CofferVaults

/// Of every way in which a write fails: whether it may have happened. What surely did not leaves
/// the cache as it was.
@Suite(.timeLimit(.minutes(1))) struct FailedWriteTests {
    enum Fault: Sendable {
        case answer(Int, String)
        case error(HTTPError)

        func response() throws(HTTPError) -> HTTPResponse {
            switch self {
            case .answer(let status, let body): HTTPResponse(status, body)
            case .error(let error): throw error
            }
        }
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let what: String
        let fault: Fault
        let mayHaveWritten: Bool

        init(_ what: String, _ fault: Fault, _ mayHaveWritten: Bool) {
            self.what = what
            self.fault = fault
            self.mayHaveWritten = mayHaveWritten
        }

        var testDescription: String { what }
    }

    private static let errors = #"{"errors":["x"]}"#

    static let transport = [
        Row("no connection", .error(HTTPError(.refused, isUnsent: true)), false),
        Row("no name", .error(HTTPError(.unresolved, isUnsent: true)), false),
        Row("reset before the request", .error(HTTPError(.interrupted, isUnsent: true)), false),
        Row("no time to send it", .error(HTTPError(.deadline, isUnsent: true)), false),
        Row("TLS", .error(HTTPError(.untrusted, isUnsent: true)), false),
        Row("closed", .error(HTTPError(.closed, isUnsent: true)), false),
        Row("reset after the request", .error(HTTPError(.interrupted, isUnsent: false)), true),
        Row("no answer in time", .error(HTTPError(.deadline, isUnsent: false)), true),
        Row("cancelled", .error(HTTPError(.cancelled, isUnsent: false)), true),
        Row("not HTTP", .error(HTTPError(.malformed, isUnsent: false)), true),
        Row("too large", .error(HTTPError(.tooLarge(limit: 9), isUnsent: false)), true),
    ]

    static let vault =
        transport + [
            Row("400", .answer(400, errors), false), Row("403", .answer(403, errors), false),
            Row("413", .answer(413, ""), false), Row("429", .answer(429, errors), false),
            Row("503 of the vault", .answer(503, errors), false), Row("412", .answer(412, errors), false),
            Row("too large for the storage", .answer(500, #"{"errors":["value being too large"]}"#), false),
            Row("500", .answer(500, errors), true), Row("502", .answer(502, "<html>"), true),
            Row("503 of a gateway", .answer(503, "<html>"), true), Row("504", .answer(504, ""), true),
            Row("no answer of a vault", .answer(200, "<html>"), true),
        ]

    private func check(_ failure: Failure?, _ mayHaveWritten: Bool) {
        #expect(failure?.mayHaveWritten == mayHaveWritten, "\(failure as Any)")
        #expect(failure?.message.hasSuffix("; a write may have happened") == mayHaveWritten)
        if mayHaveWritten { #expect(failure?.isUnsent == false) }
    }

    @Test(arguments: vault) func ofHashiCorpVault(row: Row) async throws {
        let bed = try Bed { request, _ throws(HTTPError) in
            if request.method == .get { return .absent }
            return request.path.contains("/metadata/") ? .written(1) : try row.fault.response()
        }
        let writing = Task { await failure { () async throws(Failure) in try await bed.write(bed.sealed()) } }
        // The repetitions after a 412, and the search for an active node, wait.
        await bed.time.advance(milliseconds: 8_000)
        check(await writing.value, row.mayHaveWritten)
    }

    /// Nothing can have changed while the vault was only read, or asked for a token.
    @Test(arguments: vault, [false, true]) func ofTheFirstStepWithHashiCorpVault(row: Row, isLogin: Bool) async throws {
        let role = HashiCorpOptions.Auth.appRole(mount: "approle", roleID: "r", secretID: .value(Secret(text: "s")))
        let bed = try Bed(auth: isLogin ? role : .token(Secret(text: "t"))) { request, _ throws(HTTPError) in
            if !isLogin, request.path.contains("lookup-self") { return HTTPResponse(200, #"{"data":{"ttl":0}}"#) }
            return try row.fault.response()
        }
        let writing = Task {
            (
                await failure { () async throws(Failure) in try await bed.write(bed.sealed()) },
                await failure { () async throws(Failure) in try await bed.remove() }
            )
        }
        await bed.time.advance(milliseconds: 16_000)
        let (write, removal) = await writing.value
        check(write, false)
        if removal != nil { check(removal, false) }
    }

    static let aws =
        transport + [
            Row("throttled", .answer(400, #"{"__type":"ThrottlingException"}"#), false),
            Row("429", .answer(429, ""), false), Row("503", .answer(503, ""), false),
            Row("denied", .answer(400, #"{"__type":"AccessDeniedException"}"#), false),
            Row("a parameter", .answer(400, #"{"__type":"InvalidParameterException"}"#), false),
            Row("a quota", .answer(400, #"{"__type":"LimitExceededException"}"#), false),
            Row("500", .answer(500, #"{"__type":"InternalServiceError"}"#), true), Row("502", .answer(502, ""), true),
            Row("504", .answer(504, ""), true), Row("no answer of the service", .answer(200, "<html>"), true),
        ]

    private func plan(_ row: Row, _ operation: String, _ fixture: AWSFixture) {
        switch row.fault {
        case .answer(let status, let body):
            fixture.fake.plan(operation, .response(HTTPResponse(status: status, body: Secret(text: body))))
        case .error(let error): fixture.fake.plan(operation, .error(error))
        }
    }

    @Test(arguments: aws, ["GetSecretValue", "CreateSecret", "DeleteSecret"])
    func ofAWS(row: Row, operation: String) async throws {
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

    @Test func ofTheEmbeddedVault() async throws {
        let scratch = Scratch()
        let vault = try scratch.open()
        let item = VaultItem(payload: .sealed([1]), version: "v", createdAt: 1, updatedAt: 1, expiresAt: 0)
        let key = VaultKey(
            key: try RecordKey(user: "u", connection: "c"), tag: [UInt8](repeating: 1, count: 32),
            userTag: [UInt8](repeating: 2, count: 32))
        func write(_ deadline: BootInstant) async -> Failure? {
            await failure { () async throws(Failure) in
                try await vault.write(key, item, condition: .none, deadline: deadline)
            }
        }
        let late = await write(BootInstant(nanoseconds: 1))
        check(late, false)
        #expect(late?.isUnsent == true)
        await vault.close()
        let closed = await write(SystemClock().boot + .seconds(5))
        check(closed, false)
        #expect(closed?.isUnsent == true && closed?.reason == .draining)
        let full = Failure.queueFull(vault: "v", capacity: 1)
        check(full, false)
        #expect(full.isUnsent)
    }
}
