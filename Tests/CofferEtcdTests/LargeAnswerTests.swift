import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Testing

@testable import CofferEtcd

/// What is large is neither looked at nor put together on the thread of the call.
@Suite(.timeLimit(.minutes(1))) struct LargeAnswerTests {
    @Test func aLargeRecordDoesNotKeepTheThreadOfTheCall() async throws {
        let item = VaultItem(
            payload: .sealed([UInt8](repeating: 7, count: 700_000)), version: "v1", createdAt: 5, updatedAt: 6, expiresAt: 0)
        let kv = Bed { _, _ in .done }.kv(item)
        let read = HTTPResponse.etcd(revision: 9, #","kvs":[\#(kv)],"count":"1""#)
        // Another writer came first, once.
        let changed = HTTPResponse.etcd(revision: 9, #","responses":[{"response_range":{"kvs":[\#(kv)],"count":"1"}}]"#)
        let bed = Bed { request, number in
            request.path.hasSuffix("range") ? read : number < 3 ? changed : .done
        }
        let (vault, deadline, key) = (bed.vault, bed.deadline, try Bed.key())
        let (reading, writing) = (OneThread(), OneThread())
        let found = try await Task(executorPreference: reading) { try await vault.read(key, deadline: deadline) }.value
        #expect(found == item)
        let receipt = try await Task(executorPreference: writing) {
            try await vault.write(key, item, condition: .none, deadline: deadline)
        }.value
        #expect(receipt == VaultReceipt(version: "v1", createdAt: 5))
        #expect(bed.member.paths == ["kv/range", "kv/range", "kv/txn", "kv/txn"])
        let parsing = OneThread.time { _ = try? JSON.parse(answer: read.body) }
        #expect(reading.longestJob < parsing / 2, "\(reading.longestJob), and \(parsing) to parse")
        #expect(writing.longestJob < parsing / 2, "\(writing.longestJob), and \(parsing) to parse")
    }
}
