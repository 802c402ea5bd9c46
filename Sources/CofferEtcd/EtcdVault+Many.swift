package import CofferCore
package import CofferVault
internal import CofferVaultKit
internal import Synchronization

/// Reads of many records by one call.
extension EtcdVault {
    /// The most operations that etcd takes in a transaction by default (`--max-txn-ops`).
    static let maximumOperations = 128

    package func readMany(_ keys: [VaultKey], deadline: BootInstant) async -> [Result<VaultItem?, Failure>] {
        var outcomes: [Result<VaultItem?, Failure>] = []
        while outcomes.count < keys.count {
            let some = keys[outcomes.count...].prefix(readsPerTransaction.load(ordering: .relaxed))
            outcomes += await readSome(some.map { names.name(of: $0.key) }, deadline)
        }
        return outcomes
    }

    private func readSome(_ names: [String], _ deadline: BootInstant) async -> [Result<VaultItem?, Failure>] {
        do throws(Failure) {
            try begin(deadline)
            defer { gate.leave() }
            if Task.isCancelled { throw .revoked(vault: name) }
            let now = clock.wall
            return try await records(names, deadline).map { record in
                guard let item = record?.live(at: now) else { return .success(nil) }
                return item.map { $0 }
            }
        } catch {
            return Array(repeating: .failure(error), count: names.count)
        }
    }

    /// Of names that are read at one moment, unless their records are too large for one answer, or they are more than this
    /// cluster reads at once.
    private func records(_ names: [String], _ deadline: BootInstant) async throws(Failure) -> [EtcdRecord?] {
        let call = EtcdCall("kv/txn", [("success", .array(names.map { EtcdTransaction.range($0) }))], for: .read)
        let reply = try await client.call(call, deadline: deadline)
        if [.answerTooLarge, .tooManyOperations].contains(reply.answer.fault), names.count > 1 {
            let half = names.count / 2
            if reply.answer.fault == .tooManyOperations { readsPerTransaction.store(max(1, half), ordering: .relaxed) }
            return try await records(Array(names[..<half]), deadline) + (try await records(Array(names[half...]), deadline))
        }
        if let fault = reply.answer.fault { throw client.failure(fault, reply, .read) }
        return try await LargeAnswer.tryLook(at: reply.answer.bytes) { () throws(Failure) in
            try self.records(in: reply, count: names.count)
        }
    }

    private func records(in reply: EtcdReply, count: Int) throws(Failure) -> [EtcdRecord?] {
        guard let responses = reply.answer.json?["responses"]?.elements, responses.count == count else {
            throw .etcdGarbled(name, isWrite: false)
        }
        var records: [EtcdRecord?] = []
        for response in responses { records.append(try record(in: response["response_range"])) }
        return records
    }
}
