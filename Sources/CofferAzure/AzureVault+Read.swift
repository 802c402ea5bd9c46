package import CofferCore
internal import CofferHTTP
package import CofferVault
internal import CofferVaultKit

extension AzureVault {
    package func read(_ key: VaultKey, deadline: BootInstant) async throws(Failure) -> VaultItem? {
        let secret = names.name(of: key.key)
        return try await during(deadline) { () throws(Failure) in
            switch try await self.content(secret, deadline) {
            case .item(let item): return item.isLive(at: self.clock.wall) ? item : nil
            case .removed, nil: return nil
            case .unreadable: throw .unreadable(vault: self.name)
            }
        }
    }

    /// Of the newest version; nil = there is no such secret.
    func content(_ secret: String, _ deadline: BootInstant) async throws(Failure) -> AzureDocument.Content? {
        try await self.secret(secret, deadline).map(AzureDocument.content)
    }

    /// The newest version with its value; nil = there is none, or it is deleted.
    func secret(_ secret: String, _ deadline: BootInstant) async throws(Failure) -> AzureSecret? {
        do throws(AzureFault) {
            // With the slash as Microsoft's own programs write it: the version behind it is left out.
            return try described(try await client.call(.get, "/secrets/\(secret)/", deadline: deadline), writing: false)
        } catch {
            if case .refused(let refusal) = error, refusal.saysAbsent { return nil }
            throw failure(error)
        }
    }

    func described(_ answer: JSON, writing: Bool) throws(AzureFault) -> AzureSecret {
        guard let secret = AzureSecret(answer) else { throw .failed(.azureGarbled(vault: name, writing: writing)) }
        return secret
    }
}

extension AzureRefusal {
    /// There is no such secret: it never was, or is deleted.
    var saysAbsent: Bool { [.notFound, .deleted, .beingDeleted].contains(kind) }
}
