package import CofferCore
package import CofferVault
internal import CofferVaultKit

extension EtcdVault {
    /// Attempts while other writers change the same record: one of them gets on with each, and as many calls of one daemon
    /// may be under way. The deadline mostly comes first.
    static let maximumAttempts = 128
    /// Earlier values of a record that are looked at for a write whose answer was lost.
    private static let maximumHistory = 16
    /// Between those attempts, at most; the first pause is shorter.
    private static let longestPause = Duration.milliseconds(160)

    /// Reads the record, and stores by a transaction that compares the revision of what it replaces. So the record keeps its
    /// time of creation, a condition holds at the moment of the write, and a copy of the write that etcd applies late
    /// changes nothing. A record that does not exist has no revision: its creation is sent once.
    package func write(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> VaultReceipt {
        let envelope = try envelope(of: item)
        try begin(deadline)
        defer { gate.leave() }
        let name = names.name(of: key.key)
        // A creation finds out by its own comparison.
        let current = condition == .ifAbsent ? nil : try await record(name, deadline: deadline)
        if condition != .ifAbsent { try check(condition, current) }
        let expiry = capabilities.vaultExpiry(of: item)
        let lease = expiry == 0 ? 0 : try await leases.grant(until: expiry, deadline: deadline)
        watch.beginWrite(name)
        var written: Int64?
        defer { watch.endWrite(name, key.key, revision: written) }
        var write = Write(name: name, item: item, envelope: envelope, condition: condition, lease: lease)
        do throws(Failure) {
            let (receipt, revision, replaced) = try await put(&write, over: current, deadline: deadline)
            written = revision
            leases.revoke(replaced)
            return receipt
        } catch {
            // One that a record may have is left to its TTL.
            if !error.mayHaveWritten { leases.revoke(write.lease) }
            throw error
        }
    }

    /// A write as it was asked for.
    private struct Write: Sendable {
        let name: String
        let item: VaultItem
        let envelope: [UInt8]
        let condition: WriteCondition
        var lease: Int64
        var hasLostLease = false

        func call(over current: EtcdRecord?, created: WallMilliseconds) -> EtcdCall {
            let document = SealedDocument.json(envelope, of: item, created: created).encode()
            let put = EtcdTransaction.put(name, value: Base64.text(JSONString(document).bytes), lease: lease)
            return EtcdTransaction.call(
                name, if: current.map { .unchanged($0) } ?? .absent, do: put,
                for: current == nil ? .singleWrite : .repeatableWrite)
        }
    }

    /// - Returns: what the caller gets, the revision that the write made, and the lease of what it replaced; 0 = none.
    private func put(
        _ write: inout Write, over known: EtcdRecord?, deadline: BootInstant
    ) async throws(Failure) -> (VaultReceipt, revision: Int64?, replaced: Int64) {
        var current = known
        for attempt in 0..<Self.maximumAttempts {
            let created = (try? current?.live(at: clock.wall)?.get())?.createdAt ?? write.item.updatedAt
            let call = await LargeAnswer.look(at: write.envelope.count) { [write, current] in
                write.call(over: current, created: created)
            }
            let reply = try await client.call(call, deadline: deadline)
            if reply.answer.fault == .noSuchLease, try await hasNewLease(&write, reply, deadline) { continue }
            if let fault = reply.answer.fault { throw client.failure(fault, reply, call.purpose) }
            let receipt = VaultReceipt(version: write.item.version, createdAt: created)
            if reply.answer.json?["succeeded"]?.bool == true {
                return (receipt, reply.answer.revision, current?.lease ?? 0)
            }
            let found = try await foundInstead(reply)
            if let doubt = reply.doubt,
                let made = try await revision(of: write, over: current, before: found, doubt, deadline: deadline)
            {
                return (receipt, made, current?.lease ?? 0)
            }
            try check(write.condition, found)
            current = found
            guard await pauseForOthers(attempt, deadline) else { break }
        }
        throw .etcdContended(name)
    }

    /// Grants another lease in place of one that etcd has lost, once.
    private func hasNewLease(
        _ write: inout Write, _ reply: EtcdReply, _ deadline: BootInstant
    ) async throws(Failure) -> Bool {
        guard write.lease != 0, !write.hasLostLease, reply.doubt == nil else { return false }
        write.hasLostLease = true
        write.lease = try await leases.grant(until: capabilities.vaultExpiry(of: write.item), deadline: deadline)
        return true
    }

    /// Waits after an attempt that other writers came before, so that not all of them try again at once.
    ///
    /// - Returns: false if the deadline comes first.
    func pauseForOthers(_ attempt: Int, _ deadline: BootInstant) async -> Bool {
        let dependencies = client.wire.dependencies
        let pause = min(Duration.milliseconds(5) * (1 << min(attempt, 8)), Self.longestPause)
        return await dependencies.pause(pause * dependencies.jitter(from: 0), until: deadline)
    }

    /// What became of an earlier copy of this write, by the record's own history: whether it is among what was stored since.
    ///
    /// - Parameters:
    ///   - known: what the copy was to replace. It is replaced now, so a copy that was not applied never will be.
    ///   - found: what the record is now.
    /// - Returns: the revision that the copy made; nil = it surely made none.
    /// - Throws: `doubt`, if the history does not tell: the record was removed meanwhile, or etcd was compacted.
    private func revision(
        of write: Write, over known: EtcdRecord?, before found: EtcdRecord?, _ doubt: Failure, deadline: BootInstant
    ) async throws(Failure) -> Int64? {
        var each = found
        for _ in 0..<Self.maximumHistory {
            guard let known, let record = each else { break }
            if record.revision == known.revision { return nil }
            if isWrite(write, record) { return record.revision }
            each = (try? await self.record(write.name, at: record.revision - 1, deadline: deadline)) ?? nil
        }
        throw doubt.afterChange
    }

    /// What a transaction read whose comparison failed.
    func foundInstead(_ reply: EtcdReply) async throws(Failure) -> EtcdRecord? {
        do throws(Failure) {
            return try await LargeAnswer.tryLook(at: reply.answer.bytes) { () throws(Failure) in
                try self.record(in: reply.answer.json?["responses"]?.elements?.first?["response_range"])
            }
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
