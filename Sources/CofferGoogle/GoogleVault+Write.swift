package import CofferCore
internal import CofferHTTP
package import CofferVault
internal import CofferVaultKit

extension GoogleVault {
    package func write(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> VaultReceipt {
        guard condition == .none else { throw noConditions() }
        let secret = names.name(of: key.key)
        // Before anything is asked: whether it fits does not depend on what is there.
        var payload = try GoogleDocument.payload(of: item, created: item.updatedAt, vault: name)
        return try await during(deadline) { () throws(Failure) in
            var created = item.updatedAt
            let before = try await self.current(secret, deadline)
            if case .item(let old, _) = before, case .sealed = item.payload, old.isLive(at: self.clock.wall) {
                // An attempt before this one whose answer was lost.
                if old.version.hasSameBytes(as: item.version) { return VaultReceipt(version: old.version, createdAt: old.createdAt) }
                created = old.createdAt
                payload = try GoogleDocument.payload(of: item, created: created, vault: self.name)
            }
            let write = GoogleWrite(vault: self, key: key.key, secret: secret, payload: payload, deadline: deadline)
            let version = try await write.run(secretExists: before.number != nil)
            self.memory.noteWrite(secret, number: version.number, now: self.clock.boot)
            let receipt = try self.receipt(of: item, created: created, version, payload, secret)
            try await self.destroyVersions(behind: version, of: secret, deadline)
            return receipt
        }
    }

    private func receipt(
        of item: VaultItem, created: WallMilliseconds, _ version: GoogleVersion, _ payload: Secret, _ secret: String
    ) throws(Failure) -> VaultReceipt {
        guard case .text = item.payload else { return VaultReceipt(version: item.version, createdAt: created) }
        guard let time = version.created else { throw .googleGarbled(vault: name, writing: true) }
        memory.note(
            GoogleMemory.Times(created: time, written: item.updatedAt),
            of: GoogleMemory.VersionKey(
                secret: secret, number: version.number, checksum: CRC32C.checksum(payload)))
        return VaultReceipt(
            version: GoogleVersion.text(number: version.number, created: time), createdAt: item.updatedAt)
    }

    // MARK: Removing

    package func remove(
        _ key: VaultKey, ifVersion: String?, deadline: BootInstant
    ) async throws(Failure) -> Bool {
        guard ifVersion == nil else { throw noConditions() }
        let secret = names.name(of: key.key)
        return try await during(deadline) { () throws(Failure) in
            let (existed, version) = try await self.exists(secret, deadline)
            // In any case: "latest" may lag behind a write, and what has expired goes too.
            do throws(GoogleFault) {
                _ = try await self.client.call(.delete, self.path(of: secret), writing: true, deadline: deadline)
            } catch {
                guard case .refused(let refusal) = error, refusal.kind == .notFound else {
                    throw self.failure(error, writing: true)
                }
            }
            self.memory.forget(secret)
            if let version { self.memory.noteRemoval(of: secret, version: version, now: self.clock.boot) }
            return existed
        }
    }

    /// Whether a live record is there, and its version. Only its payload shows whether it is alive; where that may not be
    /// had, the secret has to do.
    private func exists(
        _ secret: String, _ deadline: BootInstant
    ) async throws(Failure) -> (exists: Bool, version: String?) {
        do throws(Failure) {
            switch try await current(secret, deadline) {
            case .absent: return (false, nil)
            case .unreadable, .blocked: return (true, nil)
            case .item(let item, _): return (item.isLive(at: clock.wall), item.version)
            }
        } catch {
            guard error.code == .permissionDenied else { throw error }
        }
        do throws(GoogleFault) {
            _ = try await client.call(.get, path(of: secret), deadline: deadline)
            return (true, nil)
        } catch {
            if case .refused(let refusal) = error, refusal.kind == .notFound { return (false, nil) }
            throw failure(error)
        }
    }

    private func noConditions() -> Failure {
        Failure(
            .failedPrecondition, .notSupported,
            "a vault of kind \(kind) cannot do conditional writes or deletes; leave out if_version and if_absent",
            vault: name)
    }
}

/// One write: a version, and its secret if there is none.
private struct GoogleWrite {
    let vault: GoogleVault
    let key: RecordKey
    let secret: String
    let payload: Secret
    let deadline: BootInstant

    /// - Throws: what the last step failed with, when another one would not help or would come too late.
    func run(secretExists: Bool) async throws(Failure) -> GoogleVersion {
        var mustCreate = !secretExists
        var attempts = 0
        var backoff = Backoff(
            100...1_600, clock: vault.clock, random: vault.random, pause: vault.pause, vault: vault.name)
        while true {
            if mustCreate { try await create() }
            do throws(GoogleFault) {
                return try await add()
            } catch {
                guard case .refused(let refusal) = error, refusal.kind == .notFound else {
                    var failure = vault.failure(error, writing: true)
                    // A secret without a version is no record, but it was made.
                    if mustCreate { failure.isUnsent = false }
                    throw failure
                }
            }
            // It was deleted in the meantime; or it was made, and not everywhere knows of it.
            mustCreate = true
            attempts += 1
            guard attempts > 1 else { continue }
            guard try await backoff.rest(until: deadline) else { throw notThereYet }
        }
    }

    private func create() async throws(Failure) {
        do throws(GoogleFault) {
            _ = try await vault.client.call(
                .post, "\(vault.parent)?secretId=\(secret)", description, writing: true, deadline: deadline)
        } catch {
            if case .refused(let refusal) = error, refusal.kind == .exists { return }
            // A secret without a version is no record.
            throw vault.failure(error, writing: true).ofRead
        }
    }

    private func add() async throws(GoogleFault) -> GoogleVersion {
        let body = JSON.object([
            (
                "payload",
                .object([
                    ("data", .string(Base64.text(payload))),
                    ("dataCrc32c", .string(String(CRC32C.checksum(payload)))),
                ])
            )
        ])
        let answer = try await vault.client.call(
            .post, "\(vault.path(of: secret)):addVersion", body, writing: true, deadline: deadline)
        guard let version = GoogleVersion(answer.json) else {
            throw .failed(.googleGarbled(vault: vault.name, writing: true))
        }
        return version
    }

    /// Labels take no ids: they have small letters, digits, `_` and `-` only.
    private var description: JSON {
        var members: [(name: String, value: JSON)] = []
        // A regional secret is where it is.
        if vault.options.location == nil { members.append(("replication", replication)) }
        members.append(("labels", .object([("managed-by", .string("coffer"))])))
        members.append(
            (
                "annotations",
                .object([
                    (GoogleVault.userAnnotation, .string(key.user)), (GoogleVault.connectionAnnotation, .string(key.connection)),
                ])
            ))
        return .object(members)
    }

    private var replication: JSON {
        guard !vault.options.replicas.isEmpty else { return .object([("automatic", .object([JSON.Member]()))]) }
        let replicas = vault.options.replicas.map { JSON.object([("location", .string($0))]) }
        return .object([("userManaged", .object([("replicas", .array(replicas))]))])
    }

    private var notThereYet: Failure {
        Failure(
            .unavailable, .vaultFailed,
            "Google Secret Manager: the secret was created, and the service does not know it everywhere yet; try again in a moment",
            vault: vault.name, retryable: true, retryAfterMilliseconds: 1_000)
    }
}
