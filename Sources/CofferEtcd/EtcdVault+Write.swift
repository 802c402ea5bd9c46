package import CofferCore
package import CofferVault
internal import CofferVaultKit

extension EtcdVault {
    /// How often a write is tried that others come in between of.
    private static let maximumAttempts = 16

    /// Stores by transactions that compare what is replaced with what was read: so the record keeps its time of creation, and
    /// a condition holds at the moment of the write. A write with a condition that is sent again, because its answer was
    /// lost, finds its own record there and is not made twice.
    package func write(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> VaultReceipt {
        let envelope = try envelope(of: item)
        try begin(deadline)
        defer { gate.leave() }
        let name = names.name(of: key.key)
        var current: EtcdRecord?
        if case .ifVersion = condition {
            current = try await record(name, deadline: deadline)
            try check(condition, current)
        }
        let expiry = capabilities.vaultExpiry(of: item)
        let lease = expiry == 0 ? 0 : try await leases.grant(until: expiry, deadline: deadline)
        watch.beginWrite(name)
        var written: Int64?
        defer { watch.endWrite(name, key.key, revision: written) }
        do throws(Failure) {
            let write = Write(name: name, item: item, envelope: envelope, condition: condition, lease: lease)
            let (receipt, revision, replaced) = try await put(write, over: current, deadline: deadline)
            written = revision
            leases.revoke(replaced)
            return receipt
        } catch {
            // One that a record may have is left to its TTL.
            if !error.mayHaveWritten { leases.revoke(lease) }
            throw error
        }
    }

    /// A write as it was asked for.
    private struct Write {
        let name: String
        let item: VaultItem
        let envelope: [UInt8]
        let condition: WriteCondition
        let lease: Int64
    }

    /// - Returns: what the caller gets, the revision that the write made, and the lease of what it replaced; 0 = none.
    private func put(
        _ write: Write, over known: EtcdRecord?, deadline: BootInstant
    ) async throws(Failure) -> (VaultReceipt, revision: Int64?, replaced: Int64) {
        var current = known
        var doubt: Failure?
        for _ in 0..<Self.maximumAttempts {
            let created = (try? current?.live(at: clock.wall)?.get())?.createdAt ?? write.item.updatedAt
            let document = SealedDocument.json(write.envelope, of: write.item, created: created).encode()
            let put = EtcdTransaction.put(
                write.name, value: Base64.text(JSONString(document).bytes), lease: write.lease)
            let call = EtcdTransaction.call(
                write.name, if: guarding(write, current), do: put, for: purpose(write, current))
            let reply = try await transact(call, after: doubt, deadline: deadline)
            doubt = doubt ?? reply.doubt
            let receipt = VaultReceipt(version: write.item.version, createdAt: created)
            if reply.answer.json?["succeeded"]?.bool == true {
                return (receipt, reply.answer.revision, current?.lease ?? 0)
            }
            let found = try foundInstead(reply)
            if doubt != nil, let found, isWrite(write, found) {
                return (receipt, found.revision, current?.lease ?? 0)
            }
            do throws(Failure) {
                try check(write.condition, found)
            } catch {
                throw doubt == nil ? error : doubt!.afterChange
            }
            current = found
        }
        let failure = Failure(
            .unavailable, .vaultFailed, "other writers of this record were faster \(Self.maximumAttempts) times; try again",
            vault: name, retryable: true)
        throw doubt == nil ? failure : failure.afterChange
    }

    private func guarding(_ write: Write, _ current: EtcdRecord?) -> EtcdTransaction.Guard {
        guard let current, write.condition != .none else { return .existing(current) }
        return .unchanged(current)
    }

    /// A record that does not exist has no revision to tell it from another that does not exist later.
    private func purpose(_ write: Write, _ current: EtcdRecord?) -> EtcdCall.Purpose {
        current != nil || write.condition == .none ? .repeatableWrite : .singleWrite
    }

    /// - Parameter doubt: of earlier transactions of the same call.
    private func transact(
        _ call: EtcdCall, after doubt: Failure?, deadline: BootInstant
    ) async throws(Failure) -> EtcdReply {
        do throws(Failure) {
            return try await client.require(call, deadline: deadline)
        } catch {
            throw doubt == nil ? error : error.afterChange
        }
    }

    /// What a transaction read whose comparison failed.
    func foundInstead(_ reply: EtcdReply) throws(Failure) -> EtcdRecord? {
        do throws(Failure) {
            return try record(in: reply.answer.json?["responses"]?.elements?.first?["response_range"])
        } catch {
            throw .etcdGarbled(name, isWrite: true)
        }
    }

    /// Whether the record is the one that this write stores: its answer was lost.
    private func isWrite(_ write: Write, _ found: EtcdRecord) -> Bool {
        guard case .success(let item) = found.item else { return false }
        return item.payload == .sealed(write.envelope) && item.version.hasSameBytes(as: write.item.version)
    }

    /// - Throws: `.alreadyExists` or `.versionMismatch` if the condition is not met. A record that cannot be read
    ///   is there, and has no version.
    private func check(_ condition: WriteCondition, _ record: EtcdRecord?) throws(Failure) {
        let live = record?.live(at: clock.wall)
        switch condition {
        case .none: return
        case .ifAbsent: guard live == nil else { throw .alreadyExists }
        case .ifVersion(let version):
            guard (try? live?.get())?.version.hasSameBytes(as: version) == true else { throw .versionMismatch }
        }
    }
}
