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
        // Before anything is asked: whether it fits does not depend on what is there.
        _ = try await value(of: item, created: item.updatedAt)
        return try await during(deadline) { () throws(Failure) in
            var created = item.updatedAt
            if case .item(let old) = try await self.current(named: name, deadline), old.isLive(at: self.clock.wall) {
                // An attempt before this one whose answer was lost.
                if old.version.hasSameBytes(as: item.version), old.payload == item.payload {
                    return VaultReceipt(version: old.version, createdAt: old.createdAt)
                }
                if old.createdAt != 0 { created = old.createdAt }
            }
            let value = try await self.value(of: item, created: created)
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

    private func value(of item: VaultItem, created: WallMilliseconds) async throws(Failure) -> Secret {
        let limit = capabilities.maximumPayloadBytes
        return try await LargeAnswer.tryLook(at: item.payload.count) { () throws(Failure) in
            try CloudflareDocument.value(of: item, created: created, limit: limit, vault: self.name)
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

    /// Waits until the key may be written. `pacing.end` follows the write.
    ///
    /// - Throws: RESOURCE_EXHAUSTED at once if that is too late, or further away than anybody waits.
    private func waitForTurn(_ name: ByteText, _ deadline: BootInstant) async throws(Failure) {
        let turn: BootInstant
        switch pacing.reserve(name, now: clock.boot, latest: deadline) {
        case .at(let time): turn = time
        case .tooFar(let time):
            let wait = UInt32(clamping: left(until: time).wholeNanoseconds / 1_000_000)
            throw Failure(
                .resourceExhausted, .vaultRefused,
                "Cloudflare Workers KV allows one write a second of one key, and others write this record now; write it less often",
                vault: self.name, retryable: true, retryAfterMilliseconds: max(wait, 1_000), isUnsent: true)
        }
        while clock.boot < turn {
            await pause(left(until: turn))
            guard !Task.isCancelled else {
                throw Failure(.cancelled, .cancelled, "the call was cancelled", vault: self.name, isUnsent: true)
            }
        }
    }

    private func left(until time: BootInstant) -> Duration {
        .nanoseconds(Int64(clamping: time.nanoseconds - min(clock.boot, time).nanoseconds))
    }

    private func noConditions() -> Failure {
        Failure(
            .failedPrecondition, .notSupported,
            "a vault of kind \(kind) cannot do conditional writes or deletes; leave out if_version and if_absent",
            vault: name)
    }
}
