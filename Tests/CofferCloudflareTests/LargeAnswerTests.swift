import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Testing

@testable import CofferCloudflare

/// What is large is not looked at on the thread of the call.
@Suite(.timeLimit(.minutes(2))) struct LargeAnswerTests {
    @Test func aLargeAnswerDoesNotKeepTheThreadOfTheCall() async throws {
        let fixture = CloudflareFixture()
        let keys = try (0..<100).map { try fixture.key("u", "c\($0)") }
        let value = JSON.object([("value", .string(#"{"a":""# + String(repeating: "x", count: 40_000) + #""}"#)), ("metadata", .null)])
        let values = keys.map { key in (name: "connectors:u:\(key.key.connection)", value: value) }
        let body = JSON.object([("success", .bool(true)), ("result", .object([("values", .object(values))]))]).encode()
        fixture.fake.plan("POST bulk/get", .response(HTTPResponse(status: 200, body: body)))
        let (vault, deadline, thread) = (fixture.vault(), fixture.deadline, OneThread())
        let found = await Task(executorPreference: thread) { await vault.readMany(keys, deadline: deadline) }.value
        #expect(found.allSatisfy { (try? $0.get())?.payload.count == 40_008 })
        let parsing = OneThread.time { _ = try? JSON.parse(answer: body) }
        #expect(thread.longestJob < parsing / 2, "\(thread.longestJob), and \(parsing) to parse")
    }
}
