import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import Testing

@testable import CofferHashiCorp

/// Of every way in which a write fails: whether it may have happened. What surely did not leaves
/// the cache as it was.
@Suite(.timeLimit(.minutes(1))) struct FailedWriteTests {
    private static let errors = #"{"errors":["x"]}"#

    static let vault =
        FailedWrite.transport + [
            FailedWrite("400", .answer(400, errors), false), FailedWrite("403", .answer(403, errors), false),
            FailedWrite("413", .answer(413, ""), false), FailedWrite("429", .answer(429, errors), false),
            FailedWrite("503 of the vault", .answer(503, errors), false), FailedWrite("412", .answer(412, errors), false),
            FailedWrite("too large for the storage", .answer(500, #"{"errors":["value being too large"]}"#), false),
            FailedWrite("500", .answer(500, errors), true), FailedWrite("502", .answer(502, "<html>"), true),
            FailedWrite("503 of a gateway", .answer(503, "<html>"), true), FailedWrite("504", .answer(504, ""), true),
            FailedWrite("no answer of a vault", .answer(200, "<html>"), true),
        ]

    private func check(_ failure: Failure?, _ mayHaveWritten: Bool) {
        #expect(FailedWrite.violation(in: failure, mayHaveWritten: mayHaveWritten) == nil)
    }

    @Test(arguments: vault) func saysWhetherItMayHaveHappened(row: FailedWrite) async throws {
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
    @Test(arguments: vault, [false, true]) func theFirstStepChangesNothing(row: FailedWrite, isLogin: Bool) async throws {
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
}
