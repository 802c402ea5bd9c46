package import CofferCore
package import CofferVault
internal import CofferVaultKit

extension EtcdVault {
    private static let maximumAttempts = 16

    package func remove(
        _ key: VaultKey, ifVersion: String?, deadline: BootInstant
    ) async throws(Failure) -> Bool {
        try begin(deadline)
        defer { gate.leave() }
        let name = names.name(of: key.key)
        watch.beginWrite(name)
        var revision: Int64?
        defer { watch.endWrite(name, key.key, revision: revision) }
        let (wasLive, made) =
            if let ifVersion {
                try await removeVersion(ifVersion, name, deadline: deadline)
            } else {
                try await removeAny(name, deadline: deadline)
            }
        revision = made
        return wasLive
    }

    /// - Returns: whether a live record was there, and the revision that the removal made.
    private func removeAny(_ name: String, deadline: BootInstant) async throws(Failure) -> (Bool, Int64?) {
        let call = EtcdCall(
            "kv/deleterange", [("key", .base64(name)), ("prev_kv", .bool(true))], for: .repeatableWrite)
        let reply = try await client.require(call, deadline: deadline)
        guard reply.answer.json?["deleted"]?.int64 ?? 0 > 0 else {
            // An earlier attempt may have removed it, and nobody knows then what was there.
            if let doubt = reply.doubt { throw doubt.afterChange }
            return (false, nil)
        }
        guard let first = reply.answer.json?["prev_kvs"]?.elements?.first, let record = EtcdRecord(first, vault: self.name)
        else { throw .etcdGarbled(self.name, isWrite: true) }
        leases.revoke(record.lease)
        return (record.live(at: clock.wall) != nil, reply.answer.revision)
    }

    private func removeVersion(
        _ version: String, _ name: String, deadline: BootInstant
    ) async throws(Failure) -> (Bool, Int64?) {
        var current = try await record(name, deadline: deadline)
        for _ in 0..<Self.maximumAttempts {
            guard let record = current, let live = record.live(at: clock.wall) else { return (false, nil) }
            guard (try? live.get())?.version.hasSameBytes(as: version) == true else { throw .versionMismatch }
            let call = EtcdTransaction.call(
                name, if: .unchanged(record), do: EtcdTransaction.delete(name), for: .singleWrite)
            let reply = try await client.require(call, deadline: deadline)
            if reply.answer.json?["succeeded"]?.bool == true {
                leases.revoke(record.lease)
                return (true, reply.answer.revision)
            }
            current = try foundInstead(reply)
        }
        throw .versionMismatch
    }
}
