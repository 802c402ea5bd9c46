package import CofferCore
internal import CofferHTTP
package import CofferVault
internal import CofferVaultKit

extension AzureVault {
    package func write(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> VaultReceipt {
        guard condition == .none else { throw noConditions() }
        let secret = names.name(of: key.key)
        // Before anything is asked: whether it fits does not depend on what is there.
        var body = try AzureDocument.body(of: item, key.key, created: item.updatedAt, vault: name)
        return try await during(deadline) { () throws(Failure) in
            var created = item.updatedAt
            if case .item(let old) = try await self.before(secret, deadline), old.isLive(at: self.clock.wall) {
                // An attempt before this one whose answer was lost.
                if case .sealed = item.payload, old.version.hasSameBytes(as: item.version) {
                    return VaultReceipt(version: old.version, createdAt: old.createdAt)
                }
                created = old.createdAt
                body = try AzureDocument.body(of: item, key.key, created: created, vault: self.name)
            }
            let written = try await AzureWrite(vault: self, secret: secret, body: body, deadline: deadline).run()
            guard case .text = item.payload else { return VaultReceipt(version: item.version, createdAt: created) }
            guard let version = written.version else { throw .azureGarbled(vault: self.name, writing: true) }
            return VaultReceipt(version: version, createdAt: created)
        }
    }

    /// What is there; what is disabled tells nothing, and gets a version that is not.
    private func before(_ secret: String, _ deadline: BootInstant) async throws(Failure) -> AzureDocument.Content? {
        do throws(AzureFault) {
            return AzureDocument.content(
                of: try described(try await client.call(.get, "/secrets/\(secret)/", deadline: deadline), writing: false))
        } catch {
            if case .refused(let refusal) = error, refusal.saysAbsent || refusal.kind == .beingRecovered { return nil }
            if case .refused(let refusal) = error, refusal.kind == .disabled { return .unreadable }
            throw failure(error)
        }
    }

    // MARK: Removing

    package func remove(
        _ key: VaultKey, ifVersion: String?, deadline: BootInstant
    ) async throws(Failure) -> Bool {
        guard ifVersion == nil else { throw noConditions() }
        let secret = names.name(of: key.key)
        return try await during(deadline) { () throws(Failure) in
            let marked = try await self.mark(secret, deadline)
            guard marked != .absent else { return false }
            do throws(AzureFault) {
                let answer = try await self.client.call(.delete, "/secrets/\(secret)", writing: true, deadline: deadline)
                let removed = try self.described(answer, writing: true)
                if case .live(let isLive) = marked { return isLive }
                return removed.contentType != AzureDocument.removed && self.isLive(removed)
            } catch {
                if case .refused(let refusal) = error, refusal.saysAbsent {
                    if case .live(let isLive) = marked { return isLive }
                    return false
                }
                var failure = self.failure(error, writing: true)
                // For this daemon and others like it, it is removed already.
                if case .live = marked { (failure.isUnsent, failure.mayHaveWritten) = (false, true) }
                throw failure
            }
        }
    }

    private enum Marked: Equatable {
        case absent
        case live(Bool)
        /// It may not be marked, and is deleted all the same.
        case unknown
    }

    /// Marks what is about to be deleted, so that it is no record for the moment between its recovery and the write that it
    /// is recovered for, nor if that write fails.
    private func mark(_ secret: String, _ deadline: BootInstant) async throws(Failure) -> Marked {
        guard deleted == .recover else { return .unknown }
        do throws(AzureFault) {
            let body = JSON.object([("contentType", .string(AzureDocument.removed))])
            let answer = try await client.call(.patch, "/secrets/\(secret)/", body, writing: true, deadline: deadline)
            return .live(isLive(try described(answer, writing: true)))
        } catch {
            if case .refused(let refusal) = error, refusal.saysAbsent { return .absent }
            if case .refused(let refusal) = error, refusal.kind == .denied { return .unknown }
            throw failure(error, writing: true)
        }
    }

    private func isLive(_ secret: AzureSecret) -> Bool {
        let expires = AzureDocument.expiry(of: secret)
        return expires == 0 || clock.wall < expires
    }
}

/// One write: a version, and before it what frees the name where a deleted secret has it.
private struct AzureWrite {
    let vault: AzureVault
    let secret: String
    let body: JSON
    let deadline: BootInstant

    /// - Throws: what the last step failed with, when another one would not help or would come too late.
    func run() async throws(Failure) -> AzureSecret {
        var isFreed = false
        var backoff = Backoff(
            200...1_600, clock: vault.clock, random: vault.random, pause: vault.pause, vault: vault.name)
        while true {
            let refusal: AzureRefusal
            do throws(AzureFault) {
                return try vault.described(
                    try await vault.client.call(.put, "/secrets/\(secret)", body, writing: true, deadline: deadline), writing: true)
            } catch {
                guard case .refused(let found) = error, found.isPassing(afterFreeing: isFreed) else {
                    throw after(isFreed, vault.failure(error, writing: true))
                }
                refusal = found
            }
            if refusal.kind == .deleted, !isFreed {
                try await free()
                isFreed = true
            }
            guard try await backoff.rest(until: deadline) else { throw after(isFreed, tooLate(refusal)) }
        }
    }

    /// Recovers or purges the secret, which takes the service a moment.
    private func free() async throws(Failure) {
        let isRecovery = vault.deleted == .recover
        let path = "/deletedsecrets/\(secret)" + (isRecovery ? "/recover" : "")
        do throws(AzureFault) {
            _ = try await vault.client.call(isRecovery ? .post : .delete, path, writing: true, deadline: deadline)
        } catch {
            guard case .refused(let refusal) = error else { throw vault.failure(error, writing: true) }
            switch refusal.kind {
            // Somebody else did it, or does it.
            case .notFound, .conflict, .beingDeleted, .beingRecovered, .deleted: return
            case .denied: throw .azureDeleted(vault.deleted, vault: vault.name)
            default: throw vault.failure(error, writing: true)
            }
        }
    }

    private func tooLate(_ refusal: AzureRefusal) -> Failure {
        // What is recovered is free in a moment, what is deleted or purged in some 15 seconds.
        var failure = Failure.azure(
            refusal.kind == .deleted || refusal.kind == .conflict
                ? AzureRefusal(vault.deleted == .recover ? .beingRecovered : .beingDeleted) : refusal,
            vault: vault.name, writing: true)
        failure.retryAfterMilliseconds = max(failure.retryAfterMilliseconds, 1_000)
        return failure
    }

    /// What was recovered is there again, though no record if a daemon had deleted it.
    private func after(_ isFreed: Bool, _ failure: Failure) -> Failure {
        guard isFreed else { return failure }
        var failure = failure
        failure.isUnsent = false
        if vault.deleted == .recover { failure.mayHaveWritten = true }
        return failure
    }
}

extension AzureRefusal {
    /// A PUT may succeed in a moment. For some seconds after a secret was freed, conflicts go on.
    fileprivate func isPassing(afterFreeing isFreed: Bool) -> Bool {
        kind == .deleted || kind == .beingDeleted || kind == .beingRecovered || (isFreed && kind == .conflict)
    }
}
