import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Testing

@testable import CofferAWS

/// What is large is not looked at on the thread of the call.
@Suite(.timeLimit(.minutes(2))) struct LargeAnswerTests {
    @Test func aLargeAnswerDoesNotKeepTheThreadOfTheCall() async throws {
        let (clock, names) = (ManualClock(), try AWSNames(prefix: AWSOptions().prefix, vault: "cloud"))
        let keys = try (0..<20).map { number in
            VaultKey(key: try RecordKey(user: "u", connection: "c\(number)"), tag: [], userTag: [])
        }
        let values = keys.map { key in
            JSON.object([
                ("Name", .string(names.all(key.key)[0])), ("CreatedDate", .integer(1_800_000_000)),
                ("VersionId", .string("v1")), ("SecretString", .string(#"{"a":""# + String(repeating: "x", count: 50_000) + #""}"#)),
            ])
        }
        let body = JSON.object([("SecretValues", .array(values))]).encode()
        let script = AWSScript { _, _ in HTTPResponse(status: 200, body: body) }
        let vault = try AWSVault(
            name: "cloud", options: AWSOptions(), dependencies: AWSDependencies(clock: clock) { _ in script }, clock: clock,
            random: SystemRandom())
        let (deadline, thread) = (clock.boot + .seconds(20), OneThread())
        let found = await Task(executorPreference: thread) { await vault.readMany(keys, deadline: deadline) }.value
        #expect(found.allSatisfy { (try? $0.get())?.payload.count == 50_008 })
        let parsing = OneThread.time { _ = try? JSON.parse(answer: body) }
        #expect(thread.longestJob < parsing / 2, "\(thread.longestJob), and \(parsing) to parse")
    }
}
