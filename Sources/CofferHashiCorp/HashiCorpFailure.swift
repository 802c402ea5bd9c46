internal import CofferCore
internal import CofferVaultKit

/// What goes wrong with a HashiCorp Vault or an OpenBao, in words of ours.
extension Failure {
    /// - Parameter answer: one that is neither a success nor an absence.
    static func hashiCorp(
        _ answer: HashiCorpAnswer, _ purpose: HashiCorpCall.Purpose, vault: String
    ) -> Failure {
        if answer.expectsTLS {
            // What is behind the port has carried out nothing of the call.
            return Failure(
                .failedPrecondition, .vaultRefused,
                "the vault's port expects TLS and got plain http; write https://, or correct the proxy before it if the address is "
                    + "https already", vault: vault, isUnsent: true)
        }
        return switch (answer.status, purpose) {
        case (400, .login), (401, .login), (403, .login), (404, .login):
            .hashiCorpLogin("the vault refused the login; check role, secret id or token, and the login's mount", vault)
        case (400, _), (422, _): badRequest(answer, vault: vault)
        case (401, _): .hashiCorpLogin("the vault rejected the token (unknown, expired or revoked); issue a new one", vault)
        case (403, _):
            HTTPFault.denied.failure(
                "the daemon's token may not do this; check its policy against the manual's page on HashiCorp Vault",
                vault: vault, writing: false)
        case (404, _):
            .hashiCorpSetUp("the vault has no such mount or namespace; check both in the configuration", vault)
        case (405, _):
            .hashiCorpSetUp("the mount does not support this operation; it must be a KV engine of version 2", vault)
        case (413, _):
            HTTPFault.tooLarge.failure("the record is larger than the vault accepts", vault: vault, writing: false)
        case (429, _) where answer.isLagging: unavailable(answer, purpose, vault: vault)
        case (429, _):
            HTTPFault.throttled.failure(
                "the vault limits the rate of calls; try later, or raise its quota", vault: vault, writing: false,
                retryAfterMilliseconds: answer.retryAfterMilliseconds)
        case (500, _): serverError(answer, purpose, vault: vault)
        default: unavailable(answer, purpose, vault: vault)
        }
    }

    private static func badRequest(_ answer: HashiCorpAnswer, vault: String) -> Failure {
        if answer.says("Upgrading from non-versioned to versioned") {
            return .hashiCorpDown("the vault is upgrading the mount to version 2; try again in a moment", vault)
        }
        if answer.says("required for this call") {
            return .hashiCorpSetUp("the mount accepts only check-and-set writes, and this one had none", vault)
        }
        if answer.says("too large") {
            return HTTPFault.tooLarge.failure(
                "the record is larger than the vault accepts", vault: vault, writing: false)
        }
        return HTTPFault.badRequest.failure(
            "the vault rejected this request; check mount and prefix, and the limits of its listener", vault: vault,
            writing: false)
    }

    private static func serverError(
        _ answer: HashiCorpAnswer, _ purpose: HashiCorpCall.Purpose, vault: String
    ) -> Failure {
        if answer.says("too large") {
            return HTTPFault.tooLarge.failure(
                "the record is larger than the vault's storage accepts for one entry; see its max_entry_size",
                vault: vault, writing: false)
        }
        if answer.isLeaderless {
            return .hashiCorpDown("the vault has no active node at this moment; nothing was done, try again", vault)
        }
        return Failure(
            .internal, .vaultFailed,
            "the vault reported an internal error; its own log says why", vault: vault, retryable: purpose.isRead,
            mayHaveWritten: purpose == .write)
    }

    private static func unavailable(
        _ answer: HashiCorpAnswer, _ purpose: HashiCorpCall.Purpose, vault: String
    ) -> Failure {
        switch answer.status {
        case 307, 308:
            .hashiCorpDown("the vault names an active node, and that one names another; try again", vault)
        case 412, 429: .hashiCorpDown("this node of the vault has not caught up yet; try again", vault)
        case 472: .hashiCorpDown("this is a disaster recovery secondary; name the primary as the address", vault)
        case 474: .hashiCorpDown("this node is a standby that cannot reach the active node", vault)
        case 501: .hashiCorpDown("the vault is not initialised; its operator must initialise and unseal it", vault)
        case 502, 504:
            .hashiCorpDown(
                "a gateway before or behind the vault got no answer; try again", vault,
                mayHaveWritten: purpose == .write)
        case 503:
            // The vault's own says that it did nothing; one of a gateway may come after it did.
            .hashiCorpDown(
                "the vault is sealed, or has no active node; its operator must unseal it", vault,
                retryAfter: answer.retryAfterMilliseconds,
                mayHaveWritten: purpose == .write && answer.json?["errors"]?.elements == nil)
        case 530: .hashiCorpDown("this node was removed from its cluster; name another as the address", vault)
        default: .hashiCorpGarbled(purpose, vault)
        }
    }

    static func hashiCorpDown(
        _ message: String, _ vault: String, retryAfter: UInt32 = 0, mayHaveWritten: Bool = false
    ) -> Failure {
        Failure(
            .unavailable, .vaultFailed, message, vault: vault, retryable: true, retryAfterMilliseconds: retryAfter,
            mayHaveWritten: mayHaveWritten)
    }

    /// The time given ran out while no node could take the call.
    static func hashiCorpNotReady(_ vault: String) -> Failure {
        Failure(
            .deadlineExceeded, .deadline,
            "within the time given no node of the vault was ready for the call, be it that they lag or that there is "
                + "no active one; nothing was done",
            vault: vault, retryable: true)
    }

    static func hashiCorpCancelled(_ vault: String) -> Failure {
        Failure(.cancelled, .cancelled, "the call was cancelled; nothing was done", vault: vault)
    }

    static func hashiCorpLogin(_ message: String, _ vault: String) -> Failure {
        Failure(.unauthenticated, .vaultRefused, message, vault: vault)
    }

    static func hashiCorpSetUp(_ message: String, _ vault: String) -> Failure {
        Failure(.failedPrecondition, .vaultRefused, message, vault: vault)
    }

    /// What came is no answer of a vault.
    static func hashiCorpGarbled(_ purpose: HashiCorpCall.Purpose, _ vault: String) -> Failure {
        let message =
            "the server at the vault's address does not answer like a KV engine of version 2; "
            + "check address, mount and proxies"
        return purpose.isRead
            ? Failure(.unavailable, .vaultFailed, message, vault: vault, retryable: true)
            : Failure(.internal, .vaultFailed, message, vault: vault, mayHaveWritten: purpose == .write)
    }
}
