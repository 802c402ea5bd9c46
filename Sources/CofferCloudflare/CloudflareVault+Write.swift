package import CofferCore
internal import CofferHTTP
package import CofferVault
internal import CofferVaultKit

extension CloudflareVault {
    package func write(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> VaultReceipt {
        guard condition == .none else { throw noConditions() }
        let name = names.name(of: key.key)
        let limit = capabilities.maximumPayloadBytes
        // Before anything is asked: whether it fits does not depend on what is there.
        _ = try CloudflareDocument.value(of: item, created: item.updatedAt, limit: limit, vault: self.name)
        return try await during(deadline) { () throws(Failure) in
            var created = item.updatedAt
            if case .item(let old) = try await self.current(named: name, deadline), old.isLive(at: self.clock.wall) {
                // An attempt before this one whose answer was lost.
                if old.version.hasSameBytes(as: item.version), old.payload == item.payload {
                    return VaultReceipt(version: old.version, createdAt: old.createdAt)
                }
                if old.createdAt != 0 { created = old.createdAt }
            }
            let value = try CloudflareDocument.value(of: item, created: created, limit: limit, vault: self.name)
            let metadata = CloudflareDocument.metadata(of: item, key.key, created: created)
            try await self.waitForTurn(ByteText(name), deadline)
            defer { self.pacing.end(ByteText(name), now: self.clock.boot) }
            try await self.put(name, value, metadata, expiry: self.capabilities.vaultExpiry(of: item), deadline)
            return VaultReceipt(version: item.version, createdAt: created)
        }
    }

    package func remove(
        _ key: VaultKey, ifVersion: String?, deadline: BootInstant
    ) async throws(Failure) -> Bool {
        guard ifVersion == nil else { throw noConditions() }
        let name = names.name(of: key.key)
        return try await during(deadline) { () throws(Failure) in
            let existed: Bool =
                switch try await self.current(named: name, deadline) {
                case .absent: false
                case .item(let item): item.isLive(at: self.clock.wall)
                case .unreadable: true
                }
            // In any case: reads may lag behind a write, and what has expired goes too.
            try await self.waitForTurn(ByteText(name), deadline)
            defer { self.pacing.end(ByteText(name), now: self.clock.boot) }
            do throws(CloudflareFault) {
                _ = try await self.ask(deadline) { path in
                    var call = CloudflareCall(.delete, Self.valuePath(path, name))
                    call.isWriting = true
                    return call
                }
            } catch {
                guard case .refused(let refusal) = error, refusal.kind == .keyNotFound else {
                    throw self.client.failure(error)
                }
            }
            return existed
        }
    }

    private func put(
        _ name: String, _ value: Secret, _ metadata: Secret, expiry: WallMilliseconds, _ deadline: BootInstant
    ) async throws(Failure) {
        let boundary = "coffer" + Hex.text(random.bytes(16))
        let form = CloudflareMultipart([("value", value), ("metadata", metadata)], boundary: boundary)
        let now = clock.wall
        do throws(CloudflareFault) {
            _ = try await ask(deadline) { path in
                var call = CloudflareCall(.put, Self.valuePath(path, name))
                if expiry != 0 {
                    // Rounded up: by its own time the record is absent before.
                    let left = expiry > now ? (expiry - now + 999) / 1_000 : 0
                    call.query = [("expiration_ttl", String(max(left, UInt64(Self.shortestTTL.components.seconds))))]
                }
                (call.contentType, call.body, call.isWriting) = (form.contentType, form.body, true)
                return call
            }
        } catch {
            throw client.failure(error)
        }
    }

    private static func valuePath(_ namespace: String, _ name: String) -> String {
        "\(namespace)/values/\(PercentEncoding.text(name))"
    }

    /// Begins a write of the key, once it may be written again. `pacing.end` follows.
    private func waitForTurn(_ name: ByteText, _ deadline: BootInstant) async throws(Failure) {
        while let turn = pacing.begin(name, now: clock.boot) {
            guard turn < deadline else {
                throw Failure(
                    .resourceExhausted, .vaultRefused,
                    "Cloudflare Workers KV allows one write a second of one key, and this record was written less than that ago; write it less often",
                    vault: self.name, retryable: true, retryAfterMilliseconds: 1_000, isUnsent: true)
            }
            await pause(.nanoseconds(Int64(clamping: turn.nanoseconds - min(clock.boot, turn).nanoseconds)))
            guard !Task.isCancelled else {
                throw Failure(.cancelled, .cancelled, "the call was cancelled", vault: self.name, isUnsent: true)
            }
        }
    }

    private func noConditions() -> Failure {
        Failure(
            .failedPrecondition, .notSupported,
            "a vault of kind \(kind) cannot do conditional writes or deletes; leave out if_version and if_absent",
            vault: name)
    }
}
