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
        let bytes = try SealedDocument.text(of: item, created: item.updatedAt)
        try checkSize(bytes, item)
        return try await changing(secret, deadline) { () throws(Failure) in
            try self.reserve(bytes.count, for: secret)
            defer { self.state.withLock { $0.release(secret) } }
            let listed = try await self.listed(secret, client, deadline)
            let created = self.created(secret, listed) ?? item.updatedAt
            var kept = item
            kept.createdAt = created
            let value = FlyValue(try SealedDocument.text(of: item, created: created), kept)
            try self.checkSize(value.text, item)
            try await self.change(secret, .value(value), deadline) { () throws(FlyFault) in
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
            // Whatever the list says: a Store whose answer was lost may be on its way, or another Machine's not listed yet.
            try await self.change(secret, .absent, removesLive: existed, deadline) { () throws(FlyFault) in
                (nil, try await client.unset(secret.text, deadline: deadline))
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
        do throws(FlyFault) {
            let listing = try await listing(client, deadline)
            await settleOne(secret, by: listing, deadline)
            return listing[secret]
        } catch {
            throw error.failure
        }
    }

    // MARK: One change

    /// Notes in the file that the change is sent, makes it at the API, and notes the API's acknowledgement: wherever the daemon
    /// stops, the next start serves what was acknowledged, and knows what may have happened beside it.
    ///
    /// - Parameter send: makes it; returns the secret's digest and the version of the app's secrets since: nil = the API had
    ///   nothing to change.
    private func change(
        _ secret: ByteText, _ content: FlyWrite.Content, removesLive: Bool = false, _ deadline: BootInstant,
        _ send: () async throws(FlyFault) -> (digest: String?, version: UInt64?)
    ) async throws(Failure) {
        let path = files.path(secret)
        let (before, environment, isDamaged) = state.withLock { state in
            (state.entries[secret] ?? FlyEntry(), state.fingerprint(secret), state.damaged.contains(path))
        }
        let write = FlyWrite(content: content, environment: environment, machine: machine)
        let sending = before.sending(write, removesLive: removesLive)
        // A file that does not open may be all that is left of a write. It stays until the API has this one.
        if !isDamaged { try await files.save(sending, of: secret, deadline: deadline) }
        let answer: (digest: String?, version: UInt64?)
        do throws(FlyFault) {
            answer = try await send()
        } catch {
            throw await undone(secret, error.failure, sending, isDamaged ? nil : before)
        }
        let version = state.withLock { state in
            state.version = max(state.version, answer.version ?? 1)
            return answer.version ?? state.version
        }
        let entry = sending.acknowledged(version: version, isKnown: answer.version != nil, digest: answer.digest)
        do throws(Failure) {
            // It is done: the caller's time may be over.
            try await files.save(entry, of: secret, deadline: max(deadline, clock.boot + .seconds(1)))
        } catch {
            // Served is what the next start would serve.
            state.withLock { $0.set(sending, of: secret) }
            throw error.afterChange
        }
        state.withLock { state in
            state.set(entry, of: secret)
            if isDamaged { state.repair(secret, path: path) }
        }
        if answer.version != nil {
            deployment?.noteChange(version)
        } else if before.isToBeDeleted(environment: environment) {
            await deployment?.noteChangeAtUnknownVersion(after: version)
        }
    }

    /// - Parameter before: what the file had; nil = it does not open, and was not touched.
    /// - Returns: the failure to throw.
    private func undone(_ secret: ByteText, _ failure: Failure, _ sending: FlyEntry, _ before: FlyEntry?) async -> Failure {
        if failure.mayHaveWritten {
            state.withLock { $0.set(sending, of: secret) }
        } else if let before {
            // If the disk does not take it, the next start holds it for sent, and serves what it serves now.
            try? await files.save(before, of: secret, deadline: clock.boot + .seconds(1))
        }
        return failure
    }

    // MARK: What is there

    /// Since when the live record is there; nil if there is none. Of a text that does not say it, as long as the secret.
    private func created(_ secret: ByteText, _ listed: FlySecret?) -> WallMilliseconds? {
        guard case .value(let value) = found(secret), let item = value.item, item.isLive(at: clock.wall) else { return nil }
        return item.createdAt > 0 ? item.createdAt : listed?.created
    }

    private func exists(_ secret: ByteText, _ listed: FlySecret?) -> Bool {
        switch found(secret) {
        case .value(let value): value.item?.isLive(at: clock.wall) ?? true
        case .damaged: true
        // Another program has set it; or a Delete found it whose answer was lost.
        case .absent, .removed: listed != nil || state.withLock { $0.entries[secret]?.removesLive == true }
        }
    }

    /// - Throws: INVALID_ARGUMENT for what the vault does not take.
    private func checkSize(_ value: Secret, _ item: VaultItem) throws(Failure) {
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
    }

    /// Counts the secret's value among all, until the outcome of its Store is known.
    ///
    /// - Throws: INVALID_ARGUMENT if that is too much.
    private func reserve(_ bytes: Int, for secret: ByteText) throws(Failure) {
        let total = state.withLock { $0.reserve(bytes, for: secret, limit: Self.maximumTotalBytes) }
        guard let total else { return }
        throw .flyLimit(
            "all records would have \(total) bytes in the environment of the app's Machines, the vault \(name) (\(kind)) "
                + "accepts at most \(Self.maximumTotalBytes); delete some, or use a vault of another type",
            vault: name)
    }

    private func noConditions() -> Failure {
        Failure(
            .failedPrecondition, .notSupported,
            "a vault of kind \(kind) cannot do conditional writes or deletes; leave out if_version and if_absent",
            vault: name)
    }
}
