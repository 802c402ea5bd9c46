import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Testing

@testable import CofferGoogle

/// What is large is not looked at on the thread of the call.
@Suite(.timeLimit(.minutes(2))) struct LargeAnswerTests {
    @Test func aLargeAnswerDoesNotKeepTheThreadOfTheCall() async throws {
        let (clock, metadata) = (ManualClock(), FakeMetadata())
        let item = VaultItem(
            payload: .sealed([UInt8](repeating: 7, count: GoogleDocument.maximumPayloadBytes * 7 / 10)), version: "v1",
            createdAt: 5, updatedAt: 6, expiresAt: 0)
        let payload = try GoogleDocument.payload(of: item, created: 5, vault: "cloud")
        let body = JSON.object([
            ("name", .string("projects/p/secrets/s/versions/1")),
            ("payload", .object([("data", .string(Base64.text(payload)))])),
        ]).encode()
        #expect(body.count > LargeAnswer.smallestBytes)
        let script = GoogleScript { _, _ in HTTPResponse(status: 200, body: body) }
        let vault = try GoogleVault(
            name: "cloud", options: GoogleOptions(project: "my-project"),
            dependencies: CloudDependencies(clock: clock) { place in
                let transport: any HTTPTransport = place.kind == .local ? metadata : script
                return transport
            }, clock: clock, random: SystemRandom())
        let (deadline, thread) = (clock.boot + .seconds(20), OneThread())
        let key = VaultKey(key: try RecordKey(user: "u", connection: "c"), tag: [], userTag: [])
        let found = try await Task(executorPreference: thread) { try await vault.read(key, deadline: deadline) }.value
        #expect(found?.payload == item.payload)
        let looking = OneThread.time {
            let data = (try? JSON.parse(answer: body))?["payload"]?["data"]?.string
            _ = data.flatMap { Base64.bytes($0, limit: 1 << 20) }.flatMap(GoogleDocument.content)
        }
        #expect(thread.longestJob < looking / 2, "\(thread.longestJob), and \(looking) to look at it")
    }
}
