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
            var write = AzureWrite(vault: self, secret: secret, body: body, deadline: deadline)
            let written = try await write.run()
            self.lostRemovals.forget(secret)
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
            guard marked != .absent else { return self.lostRemovals.take(secret, now: self.clock.boot) }
            self.lostRemovals.forget(secret)
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
                if marked == .live(true) { self.lostRemovals.note(secret, now: self.clock.boot) }
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
            let answer = try await client.call(
                .patch, "/secrets/\(secret)/", AzureDocument.removal, writing: true, deadline: deadline)
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
    /// The service has begun to recover or to purge what had the name.
    private var isFreed = false
    /// The newest version of what was recovered, if it is not marked.
    private var unmarked: String?

    init(vault: AzureVault, secret: String, body: JSON, deadline: BootInstant) {
        (self.vault, self.secret, self.body, self.deadline) = (vault, secret, body, deadline)
    }

    /// - Throws: what the last step failed with, when another one would not help or would come too late.
    mutating func run() async throws(Failure) -> AzureSecret {
        do throws(Failure) {
            return try await attempts()
        } catch {
            guard isFreed else { throw error }
            var failure = error
            failure.isUnsent = false
            // What was recovered is there again, though no record if it is marked.
            if vault.deleted == .recover { failure.mayHaveWritten = true }
            throw failure
        }
    }

    private mutating func attempts() async throws(Failure) -> AzureSecret {
        var backoff = Backoff(
            200...1_600, clock: vault.clock, random: vault.random, pause: vault.pause, vault: vault.name)
        while true {
            do throws(AzureFault) {
                try await mark()
                return try vault.described(
                    try await vault.client.call(.put, "/secrets/\(secret)", body, writing: true, deadline: deadline), writing: true)
            } catch {
                guard case .refused(let refusal) = error, isPassing(refusal) else { throw vault.failure(error, writing: true) }
                // Another daemon may have deleted it since it was freed, and what is not marked has to be there to be marked.
                if refusal.kind == .deleted || refusal.kind == .notFound { try await free() }
                guard try await backoff.rest(until: deadline) else { throw tooLate(refusal) }
            }
        }
    }

    /// What was deleted without a mark, by another program or just after a Store, is no record once it is recovered: this
    /// write may fail.
    private mutating func mark() async throws(AzureFault) {
        guard let version = unmarked else { return }
        do throws(AzureFault) {
            _ = try await vault.client.call(
                .patch, "/secrets/\(secret)/\(version)", AzureDocument.removal, writing: true, deadline: deadline)
        } catch {
            // Who may not mark it writes all the same.
            guard case .refused(let refusal) = error, refusal.kind == .denied else { throw error }
        }
        unmarked = nil
    }

    /// It may succeed in a moment. For some seconds after a secret was freed, conflicts go on.
    private func isPassing(_ refusal: AzureRefusal) -> Bool {
        switch refusal.kind {
        case .deleted, .beingDeleted, .beingRecovered: true
        case .conflict: isFreed
        case .notFound: unmarked != nil
        default: false
        }
    }

    /// Recovers or purges the secret, which takes the service a moment.
    private mutating func free() async throws(Failure) {
        let isRecovery = vault.deleted == .recover
        let path = "/deletedsecrets/\(secret)" + (isRecovery ? "/recover" : "")
        do throws(AzureFault) {
            let answer = try await vault.client.call(isRecovery ? .post : .delete, path, writing: true, deadline: deadline)
            isFreed = true
            guard isRecovery else { return }
            let recovered = try vault.described(answer, writing: true)
            unmarked = recovered.contentType == AzureDocument.removed ? nil : recovered.version ?? ""
        } catch {
            guard case .refused(let refusal) = error else { throw vault.failure(error, writing: true) }
            switch refusal.kind {
            // It is still being deleted, or somebody else did it or does it.
            case .notFound, .conflict, .beingDeleted, .beingRecovered, .deleted: return
            case .denied: throw .azureDeleted(vault.deleted, vault: vault.name)
            default: throw vault.failure(error, writing: true)
            }
        }
    }

    private func tooLate(_ refusal: AzureRefusal) -> Failure {
        // What is recovered is free in a moment, what is deleted or purged in some 15 seconds.
        let kind: AzureRefusal.Kind =
            switch refusal.kind {
            case .beingDeleted, .beingRecovered: refusal.kind
            default: isFreed && vault.deleted == .recover ? .beingRecovered : .beingDeleted
            }
        var failure = Failure.azure(
            AzureRefusal(kind, retryAfter: refusal.retryAfter), vault: vault.name, writing: true)
        failure.retryAfterMilliseconds = max(failure.retryAfterMilliseconds, 1_000)
        return failure
    }
}
