internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit

/// Calls in the daemon's name.
struct HashiCorpClient: Sendable {
    let vault: String
    let wire: HashiCorpWire
    let session: HashiCorpSession

    /// Tokens that one call uses up at most: each of them may die before it is used.
    private static let maximumTokens = 4

    /// Sends with a token that works. After a 403 for a token that no longer
    /// does, again with a new one.
    ///
    /// - Returns: the answer, whatever its status.
    nonisolated(nonsending)
        func call(_ call: HashiCorpCall, deadline: BootInstant) async throws(Failure) -> HashiCorpAnswer
    {
        guard wire.dependencies.clock.boot < deadline else { throw .notBegun(vault: vault) }
        var lease = try await session.lease(deadline: deadline)
        var tokens = 1
        while true {
            let answer = try await wire.exchange(call, token: lease.token, deadline: deadline)
            guard answer.status == 403 else {
                if answer.isSuccess || answer.isAbsence { lease.use.noteWork() }
                return answer
            }
            guard tokens < Self.maximumTokens,
                let fresh = try await session.replacement(for: lease.number, deadline: deadline)
            else { return answer }
            lease = fresh
            tokens += 1
        }
    }

    /// As `call`, for answers without content.
    func require(_ call: HashiCorpCall, deadline: BootInstant) async throws(Failure) {
        let answer = try await self.call(call, deadline: deadline)
        guard answer.isSuccess else { throw .hashiCorp(answer, call.purpose, vault: vault) }
    }

    func failure(_ answer: HashiCorpAnswer, _ purpose: HashiCorpCall.Purpose) -> Failure {
        .hashiCorp(answer, purpose, vault: vault)
    }
}
