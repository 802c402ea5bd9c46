package import CofferCore
package import CofferVault
internal import CofferVaultKit
internal import Synchronization

extension FlyVault {
    package func write(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> VaultReceipt {
        guard condition == .none else { throw noConditions() }
        let client = try writer()
        let secret = ByteText(names.name(of: key.key))
        // Before anything is asked: whether it fits does not depend on what is there.
        try checkSize(try SealedDocument.text(of: item, created: item.updatedAt), of: secret, item)
        return try await changing(secret, deadline) { () throws(Failure) in
            let listed = try await self.listed(secret, client, deadline)
            if let receipt = self.receipt(of: item, secret) { return receipt }
            let created = self.created(secret, listed) ?? item.updatedAt
            var kept = item
            kept.createdAt = created
            let value = FlyValue(try SealedDocument.text(of: item, created: created), kept)
            try self.checkSize(value.text, of: secret, item)
            try await self.change(secret, .value(value), from: listed, deadline) { () throws(FlyFault) in
                let (now, version) = try await client.set(secret.text, value.text, deadline: deadline)
                return (now.digest, version)
            }
            return VaultReceipt(version: item.version, createdAt: created)
        }
    }

    package func remove(
        _ key: VaultKey, ifVersion: String?, deadline: BootInstant
    ) async throws(Failure) -> Bool {
        guard ifVersion == nil else { throw noConditions() }
        let client = try writer()
        let secret = ByteText(names.name(of: key.key))
        return try await changing(secret, deadline) { () throws(Failure) in
            let listed = try await self.listed(secret, client, deadline)
            let existed = self.exists(secret, listed)
            try await self.change(secret, .absent, from: listed, deadline) { () throws(FlyFault) in
                // The environment may still have what the API has no more.
                guard listed != nil else { return (nil, 0) }
                return (nil, try await client.unset(secret.text, deadline: deadline))
            }
            return existed
        }
    }

    /// Runs a change of the secret when it is its turn.
    private func changing<R: Sendable>(
        _ secret: ByteText, _ deadline: BootInstant, _ body: () async throws(Failure) -> R
    ) async throws(Failure) -> R {
        try await during(deadline) { () throws(Failure) in
            try await self.turns.during(secret, deadline: deadline, body)
        }
    }

    /// What the API says of the secret now. It settles what the last write left open.
    private func listed(_ secret: ByteText, _ client: FlyClient, _ deadline: BootInstant) async throws(Failure) -> FlySecret? {
        let version = state.withLock { $0.version }
        do throws(FlyFault) {
            let listing = try await client.list(since: version, deadline: deadline)
            await settleOne(secret, by: listing, deadline)
            return listing[secret]
        } catch {
            throw error.failure
        }
    }

    // MARK: One change

    /// Makes the change durable here, then makes it at the API, and then notes here that it is made: wherever the daemon
    /// stops, the next start knows what was acknowledged, and can find out the rest.
    ///
    /// - Parameter send: makes it; returns the secret's digest and the version of the app's secrets since.
    private func change(
        _ secret: ByteText, _ content: FlyWrite.Content, from listed: FlySecret?, _ deadline: BootInstant,
        _ send: () async throws(FlyFault) -> (digest: String?, version: UInt64)
    ) async throws(Failure) {
        let (before, environment) = state.withLock { ($0.entries[secret] ?? FlyEntry(), $0.environment[secret]?.text) }
        var write = FlyWrite(
            content: content, stage: .sent(before: listed?.digest), environment: FlyWrite.fingerprint(environment),
            machine: machine, version: 0)
        var entry = before
        entry.next = write
        try await files.save(entry, of: secret, deadline: deadline)
        do throws(FlyFault) {
            let (digest, version) = try await send()
            (write.stage, write.version) = (.acknowledged(digest: digest), version)
        } catch {
            throw await undone(secret, error.failure, entry, before)
        }
        // What was removed needs no note where the environment does not have it.
        let isDone = content.value == nil && environment == nil
        try await note(FlyEntry(current: isDone ? nil : write), of: secret, version: write.version, deadline)
    }

    /// - Returns: the failure to throw.
    private func undone(_ secret: ByteText, _ failure: Failure, _ entry: FlyEntry, _ before: FlyEntry) async -> Failure {
        guard !failure.mayHaveWritten else {
            var entry = entry
            entry.lostAt = clock.boot
            state.withLock { $0.entries[secret] = entry }
            return failure
        }
        // If the disk does not take it, the next start finds by the digest that it did not arrive.
        try? await files.save(before, of: secret, deadline: clock.boot + .seconds(1))
        return failure
    }

    /// From now on this is what the daemon serves; `entry` is empty where that is what the environment has.
    private func note(
        _ entry: FlyEntry, of secret: ByteText, version: UInt64, _ deadline: BootInstant
    ) async throws(Failure) {
        let path = files.path(secret)
        state.withLock { state in
            state.entries[secret] = entry.isEmpty ? nil : entry
            state.damaged.remove(path)
            state.version = max(state.version, version)
        }
        if version > 0 { deployment?.noteChange(version) }
        do throws(Failure) {
            // It is done: the caller's time may be over.
            try await files.save(entry, of: secret, deadline: max(deadline, clock.boot + .seconds(1)))
        } catch {
            throw error.afterChange
        }
    }

    // MARK: What is there

    /// That of a write of the same item whose answer was lost; nil if there was none.
    private func receipt(of item: VaultItem, _ secret: ByteText) -> VaultReceipt? {
        guard case .value(let value) = found(secret), let old = value.item, old.isLive(at: clock.wall),
            old.version.hasSameBytes(as: item.version), old.payload == item.payload
        else { return nil }
        return VaultReceipt(version: old.version, createdAt: old.createdAt)
    }

    /// Since when the live record is there; nil if there is none. Of a text that does not say it, as long as the secret.
    private func created(_ secret: ByteText, _ listed: FlySecret?) -> WallMilliseconds? {
        guard case .value(let value) = found(secret), let item = value.item, item.isLive(at: clock.wall) else { return nil }
        return item.createdAt > 0 ? item.createdAt : listed?.created
    }

    private func exists(_ secret: ByteText, _ listed: FlySecret?) -> Bool {
        switch found(secret) {
        case .value(let value): value.item?.isLive(at: clock.wall) ?? true
        case .damaged: true
        // Another program has set it.
        case .absent, .removed: listed != nil
        }
    }

    /// - Throws: INVALID_ARGUMENT for what the vault does not take.
    private func checkSize(_ value: Secret, of secret: ByteText, _ item: VaultItem) throws(Failure) {
        let limit = capabilities.maximumPayloadBytes
        guard (1...limit).contains(item.payload.count) else {
            throw .payloadTooLarge(item.payload.count, limit: limit, vault: name)
        }
        guard value.count <= Self.maximumValueBytes else {
            throw .flyLimit(
                "the secret's value has \(value.count) bytes, the vault \(name) (\(kind)) accepts at most \(Self.maximumValueBytes)",
                vault: name)
        }
        guard value.withBytes({ bytes in (0..<bytes.byteCount).allSatisfy { bytes.byte(at: $0) != 0 } }) else {
            throw .badField("credential", "must not have a zero byte in a vault of type \(kind): no environment variable can")
        }
        let total = totalBytes(without: secret) + secret.text.utf8.count + value.count + 2
        guard total <= Self.maximumTotalBytes else {
            throw .flyLimit(
                "all records would have \(total) bytes in the environment of the app's Machines, the vault \(name) (\(kind)) "
                    + "accepts at most \(Self.maximumTotalBytes); delete some, or use a vault of another type",
                vault: name)
        }
    }

    /// Of all records that the environment will have, with `=` and the zero byte at the end of each.
    private func totalBytes(without secret: ByteText) -> Int {
        let all = state.withLock { Set($0.environment.keys).union($0.entries.keys) }
        return all.reduce(0) { sum, other in
            guard other != secret, case .value(let value) = found(other) else { return sum }
            return sum + other.text.utf8.count + value.text.count + 2
        }
    }

    private func noConditions() -> Failure {
        Failure(
            .failedPrecondition, .notSupported,
            "a vault of kind \(kind) cannot do conditional writes or deletes; leave out if_version and if_absent",
            vault: name)
    }
}
