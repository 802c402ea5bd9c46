import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Testing

@testable import CofferHashiCorp

/// What is large is neither looked at nor put together on the thread of the call.
@Suite(.timeLimit(.minutes(2))) struct LargeAnswerTests {
    @Test func aLargeRecordDoesNotKeepTheThreadOfTheCall() async throws {
        let item = VaultItem(
            payload: .sealed([UInt8](repeating: 7, count: 700_000)), version: "v1", createdAt: 5, updatedAt: 6, expiresAt: 0)
        let document = SealedDocument.json(item.payload.envelope ?? [], of: item, created: 5).encode()
        let answer = HTTPResponse.kv(document.string)
        let bed = try Bed(writesMetadata: false) { request, _ in request.method == .get ? answer : .written(2) }
        let (vault, deadline, key) = (bed.vault, bed.deadline, try Bed.key())
        // The login, and the question of what is mounted.
        _ = try await bed.read()
        let (reading, writing) = (OneThread(), OneThread())
        let found = try await Task(executorPreference: reading) { try await vault.read(key, deadline: deadline) }.value
        #expect(found == item)
        let receipt = try await Task(executorPreference: writing) {
            try await vault.write(key, item, condition: .none, deadline: deadline)
        }.value
        #expect(receipt.version == "v1")
        let looking = OneThread.time { _ = (try? JSON.parse(answer: document)).flatMap(SealedDocument.init) }
        #expect(reading.longestJob < looking / 2, "\(reading.longestJob), and \(looking) to look at it")
        #expect(writing.longestJob < looking / 2, "\(writing.longestJob), and \(looking) to look at it")
    }
}
