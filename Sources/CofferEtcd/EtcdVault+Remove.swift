package import CofferCore
package import CofferVault
internal import CofferVaultKit

extension EtcdVault {
    package func remove(
        _ key: VaultKey, ifVersion: String?, deadline: BootInstant
    ) async throws(Failure) -> Bool {
        try begin(deadline)
        defer { gate.leave() }
        let name = names.name(of: key.key)
        let current = try await record(name, deadline: deadline)
        watch.beginWrite(name)
        var revision: Int64?
        defer { watch.endWrite(name, key.key, revision: revision) }
        let (wasLive, made) = try await delete(current, name, ifVersion: ifVersion, deadline: deadline)
        revision = made
        return wasLive
    }

    /// By a transaction that compares the revision of what it removes: a copy of it that etcd applies late removes nothing.
    ///
    /// - Returns: whether a live record was there, and the revision that the removal made.
    private func delete(
        _ known: EtcdRecord?, _ name: String, ifVersion: String?, deadline: BootInstant
    ) async throws(Failure) -> (Bool, Int64?) {
        var current = known
        for attempt in 0..<Self.maximumAttempts {
            guard let record = current else { return (false, nil) }
            let live = record.live(at: clock.wall)
            if let ifVersion {
                guard let live else { return (false, nil) }
                guard (try? live.get())?.version.hasSameBytes(as: ifVersion) == true else { throw .versionMismatch }
            }
            let call = EtcdTransaction.call(
                name, if: .unchanged(record), do: EtcdTransaction.delete(name), for: .repeatableWrite)
            let reply = try await client.require(call, deadline: deadline)
            if reply.answer.json?["succeeded"]?.bool == true {
                leases.revoke(record.lease)
                return (live != nil, reply.answer.revision)
            }
            current = try await foundInstead(reply)
            // An earlier copy may have removed it. If not, then never: what it compares is no longer so.
            if let doubt = reply.doubt, current?.creation != record.creation { throw doubt.afterChange }
            guard await pauseForOthers(attempt, deadline) else { break }
        }
        throw .etcdContended(self.name)
    }
}
