internal import CofferCore
internal import CofferVaultKit

/// Calls in the daemon's name.
struct EtcdClient: Sendable {
    let wire: EtcdWire
    let session: EtcdSession

    var vault: String { wire.vault }

    /// Sends with a token that works. After a refusal of the token, once more with a new one.
    ///
    /// - Returns: the answer, whatever it says.
    nonisolated(nonsending)
        func call(_ call: EtcdCall, deadline: BootInstant) async throws(Failure) -> EtcdReply
    {
        guard wire.dependencies.clock.boot < deadline else { throw .notBegun(vault: vault) }
        let token = try await session.token(by: deadline)
        let reply = try await wire.exchange(call, token: token.secret, deadline: deadline)
        guard reply.answer.fault == .badToken || reply.answer.fault == .noToken else { return reply }
        do throws(Failure) {
            let fresh = try await session.replacement(for: token.number, by: deadline)
            var again = try await wire.exchange(call, token: fresh.secret, deadline: deadline)
            again.doubt = again.doubt ?? reply.doubt
            return again
        } catch {
            throw reply.doubt != nil && call.purpose.isWrite ? error.afterChange : error
        }
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
