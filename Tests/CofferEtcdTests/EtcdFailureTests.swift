import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import Testing

@testable import CofferEtcd

/// What each answer of etcd's means: one row of the contract each.
@Suite(.timeLimit(.minutes(1))) struct EtcdFailureTests {
    struct Row: Sendable, CustomStringConvertible {
        let status: Int
        let code: Int
        let words: String
        let expected: StatusCode
        let reason: Failure.Reason
        let isRetryable: Bool
        /// Of a write.
        let mayHaveWritten: Bool

        var description: String { "\(status)/\(code) \(words)" }
    }

    static let rows: [Row] = [
        Row(400, 3, "etcdserver: key is not provided", .invalidArgument, .vaultRefused, false, false),
        Row(400, 3, "etcdserver: request is too large", .invalidArgument, .credentialTooLarge, false, false),
        Row(429, 8, "grpc: received message larger than max (3000011 vs. 2097152)", .invalidArgument, .credentialTooLarge, false, false),
        Row(400, 3, "etcdserver: user name is empty", .unauthenticated, .vaultRefused, false, false),
        Row(401, 16, "etcdserver: invalid auth token", .unauthenticated, .vaultRefused, false, false),
        Row(400, 3, "etcdserver: revision of auth store is old", .unauthenticated, .vaultRefused, false, false),
        Row(403, 7, "etcdserver: permission denied", .permissionDenied, .vaultRefused, false, false),
        Row(404, 5, "etcdserver: requested lease not found", .failedPrecondition, .vaultRefused, false, false),
        Row(429, 8, "etcdserver: mvcc: database space exceeded", .resourceExhausted, .disk, false, false),
        Row(429, 8, "etcdserver: too many requests", .resourceExhausted, .limit, true, false),
        Row(503, 14, "etcdserver: no leader", .unavailable, .vaultFailed, true, false),
        Row(412, 9, "etcdserver: not leader", .unavailable, .vaultFailed, true, false),
        Row(400, 9, "etcdserver: not leader", .unavailable, .vaultFailed, true, false),
        Row(503, 14, "etcdserver: not capable", .failedPrecondition, .vaultRefused, false, false),
        Row(412, 9, "etcdserver: rpc not supported for learner", .failedPrecondition, .vaultRefused, false, false),
        Row(503, 14, "etcdserver: leader changed", .unavailable, .vaultFailed, true, false),
        Row(500, 2, "raft proposal dropped", .unavailable, .vaultFailed, true, false),
        Row(503, 14, "etcdserver: request timed out", .deadlineExceeded, .deadline, true, true),
        Row(503, 14, "etcdserver: request timed out, possibly due to previous leader failure", .deadlineExceeded, .deadline, true, true),
        Row(500, 2, "context deadline exceeded", .deadlineExceeded, .deadline, true, true),
        Row(504, 4, "context deadline exceeded", .deadlineExceeded, .deadline, true, true),
        Row(503, 14, "etcdserver: server stopped", .unavailable, .vaultFailed, true, true),
        Row(503, 14, "connection closed", .unavailable, .vaultFailed, true, true),
        Row(500, 15, "etcdserver: corrupt cluster", .internal, .vaultFailed, false, true),
        Row(500, 13, "something", .internal, .vaultFailed, false, true),
    ]

    @Test(arguments: rows, [false, true]) func ofAWrite(row: Row, isThere: Bool) async throws {
        let kv = isThere ? #","kvs":[\#(Bed({ _, _ in .done }).kv(revision: 5))],"count":"1""# : ""
        let bed = Bed { request, _ in
            request.path.hasSuffix("range") ? .etcd(revision: 7, kv) : .fault(row.status, row.code, row.words)
        }
        let failure = try #require(await failure { () async throws(Failure) in try await bed.write() })
        #expect(failure.code == row.expected && failure.reason == row.reason)
        #expect(failure.retryable == row.isRetryable)
        #expect(failure.mayHaveWritten == row.mayHaveWritten && !failure.isUnsent)
        #expect(failure.vault == "v" && !failure.message.contains(row.words), "\(failure.message)")
    }

    /// Nothing can have changed by a read, a login, or a lease that no record has.
    @Test(arguments: rows) func ofWhatChangesNoRecord(row: Row) async throws {
        let reading = Bed { _, _ in .fault(row.status, row.code, row.words) }
        #expect(await failure { () async throws(Failure) in try await reading.read() }?.mayHaveWritten == false)
        let login = EtcdOptions.Login(user: "u", password: .value(Secret("p")))
        let loggingIn = Bed(login: login) { _, _ in .fault(row.status, row.code, row.words) }
        #expect(await failure { () async throws(Failure) in try await loggingIn.write() }?.mayHaveWritten == false)
        #expect(Set(loggingIn.member.paths) == ["auth/authenticate"])
        let granting = Bed { request, _ in
            request.path.hasSuffix("grant") ? .fault(row.status, row.code, row.words) : .done
        }
        let outcome = await failure { () async throws(Failure) in try await granting.write(granting.item(seconds: 60)) }
        #expect(outcome?.mayHaveWritten == false)
        #expect(!granting.member.paths.contains("kv/txn"))
    }

    /// A proxy's advice reaches the caller, whichever call it stops.
    @Test(arguments: [429, 503]) func passesOnHowLongAProxyWantsToBeLeftAlone(status: Int) async throws {
        let busy = HTTPResponse(status: status, headers: ["retry-after": "7"], body: Secret("<html>"))
        let login = EtcdOptions.Login(user: "u", password: .value(Secret("p")))
        for bed in [Bed({ _, _ in busy }), Bed(login: login) { _, _ in busy }] {
            let reading = await failure { () async throws(Failure) in try await bed.read() }
            #expect(reading?.retryAfterMilliseconds == 7_000)
            let writing = await failure { () async throws(Failure) in try await bed.write() }
            #expect(writing?.retryAfterMilliseconds == 7_000)
        }
    }

    static let writes =
        FailedWrite.transport + [
            FailedWrite("404 of another server", .answer(404, "404 page not found"), false),
            FailedWrite("a proxy's 403", .answer(403, "<html>"), false),
            FailedWrite("a proxy's 429", .answer(429, "<html>"), false),
            FailedWrite("a proxy's 502", .answer(502, "<html>"), true),
            FailedWrite("a proxy's 503", .answer(503, "<html>"), true), FailedWrite("a proxy's 504", .answer(504, ""), true),
            FailedWrite("a proxy's 200", .answer(200, "<html>"), true),
            FailedWrite("JSON of another program", .answer(200, "{}"), true),
            FailedWrite("half an answer", .answer(200, #"{"header":{"revision":"#), true),
        ]

    @Test(arguments: writes) func aFailedWriteSaysWhetherItMayHaveHappened(row: FailedWrite) async throws {
        let kv = Bed({ _, _ in .done }).kv(revision: 5)
        let bed = Bed { request, _ throws(HTTPError) in
            guard request.path.hasSuffix("txn") else { return .etcd(revision: 7, #","kvs":[\#(kv)],"count":"1""#) }
            return try row.fault.response()
        }
        let writing = await failure { () async throws(Failure) in try await bed.write() }
        #expect(FailedWrite.violation(in: writing, mayHaveWritten: row.mayHaveWritten) == nil)
        let removal = await failure { () async throws(Failure) in try await bed.remove() }
        #expect(FailedWrite.violation(in: removal, mayHaveWritten: row.mayHaveWritten) == nil)
    }

    /// What only reads before it changes anything has changed nothing.
    @Test(arguments: writes) func theFirstStepOfAWriteChangesNothing(row: FailedWrite) async throws {
        let bed = Bed { _, _ throws(HTTPError) in try row.fault.response() }
        for condition in [WriteCondition.none, .ifVersion("v0")] {
            let writing = await failure { () async throws(Failure) in try await bed.write(nil, condition) }
            #expect(FailedWrite.violation(in: writing, mayHaveWritten: false) == nil)
        }
        for version in [nil, "v0"] {
            let removal = await failure { () async throws(Failure) in try await bed.remove(version) }
            #expect(FailedWrite.violation(in: removal, mayHaveWritten: false) == nil)
        }
    }

    @Test func plainHTTPToATLSPortIsNamed() async {
        let bed = Bed { _, _ in HTTPResponse(400, "Client sent an HTTP request to an HTTPS server.\n") }
        let failure = await failure { () async throws(Failure) in try await bed.read() }
        #expect(failure?.code == .failedPrecondition && failure?.message.contains("https://") == true)
    }

    @Test func aServerWithoutTheGatewayIsNamed() async {
        let bed = Bed { _, _ in HTTPResponse(404, "404 page not found\n") }
        let failure = await failure { () async throws(Failure) in try await bed.read() }
        #expect(failure?.code == .failedPrecondition && failure?.message.contains("/v3") == true)
    }

    @Test func whatIsTooLargeIsRefusedBeforeAnythingIsSent() async {
        let bed = Bed { _, _ in .done }
        var item = bed.item()
        item.payload = .sealed([UInt8](repeating: 1, count: EtcdVault.maximumPayloadBytes + 1))
        let failure = await failure { () async throws(Failure) in try await bed.write(item) }
        #expect(failure?.code == .invalidArgument && failure?.message.contains("1100000") == true && failure?.vault == "v")
        #expect(bed.member.requests.isEmpty)
    }
}

extension EtcdFailureTests.Row {
    init(
        _ status: Int, _ code: Int, _ words: String, _ expected: StatusCode, _ reason: Failure.Reason, _ isRetryable: Bool,
        _ mayHaveWritten: Bool
    ) {
        self.init(
            status: status, code: code, words: words, expected: expected, reason: reason, isRetryable: isRetryable,
            mayHaveWritten: mayHaveWritten)
    }
}
