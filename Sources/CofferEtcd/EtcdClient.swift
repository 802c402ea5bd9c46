internal import CofferCore
internal import CofferVaultKit

/// Calls in the daemon's name.
struct EtcdClient: Sendable {
    let wire: EtcdWire
    let session: EtcdSession

    var vault: String { wire.vault }

    /// How often a token is replaced for one call. A change of users or roles ends all tokens, also those that are got while
    /// one change follows another.
    private static let replacements = 2

    /// Sends with a token that works. After a refusal of the token, again with a new one.
    ///
    /// - Returns: the answer, whatever it says.
    nonisolated(nonsending)
        func call(_ call: EtcdCall, deadline: BootInstant) async throws(Failure) -> EtcdReply
    {
        guard wire.dependencies.clock.boot < deadline else { throw .notBegun(vault: vault) }
        var token = try await session.token(by: deadline)
        var reply = try await wire.exchange(call, token: token.secret, deadline: deadline)
        for _ in 0..<Self.replacements where reply.answer.fault == .badToken || reply.answer.fault == .noToken {
            do throws(Failure) {
                token = try await session.replacement(for: token.number, by: deadline)
                let again = try await wire.exchange(call, token: token.secret, deadline: deadline)
                reply = EtcdReply(answer: again.answer, doubt: again.doubt ?? reply.doubt)
            } catch {
                throw reply.doubt != nil && call.purpose.isWrite ? error.afterChange : error
            }
        }
        return reply
    }

    /// As `call`, for answers that have to be successes.
    nonisolated(nonsending)
        func require(_ call: EtcdCall, deadline: BootInstant) async throws(Failure) -> EtcdReply
    {
        let reply = try await self.call(call, deadline: deadline)
        if let fault = reply.answer.fault { throw failure(fault, reply, call.purpose) }
        return reply
    }

    /// What a fault is to the caller, after all attempts.
    func failure(_ fault: EtcdFault, _ reply: EtcdReply, _ purpose: EtcdCall.Purpose) -> Failure {
        let failure = reply.answer.failure(fault, vault: vault, isWrite: purpose.isWrite)
        return reply.doubt != nil && purpose.isWrite ? failure.afterChange : failure
    }
}
