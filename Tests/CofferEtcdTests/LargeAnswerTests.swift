import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Testing

@testable import CofferEtcd

/// What is large is neither looked at nor put together on the thread of the call.
@Suite(.timeLimit(.minutes(2))) struct LargeAnswerTests {
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
        let looking = OneThread.time {
            let found = (try? JSON.parse(answer: read.body))?["kvs"]?.elements?.first
            _ = found.flatMap { EtcdRecord($0, vault: "v") }
        }
        #expect(reading.longestJob < looking / 2, "\(reading.longestJob), and \(looking) to look at it")
        #expect(writing.longestJob < looking / 2, "\(writing.longestJob), and \(looking) to look at it")
    }
}
