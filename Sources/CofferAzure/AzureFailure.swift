internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit

/// What goes wrong with Azure. Texts of the service are not passed on.
extension Failure {
    private static let service = "Azure Key Vault"

    /// - Parameter writing: the call may have changed something.
    static func azure(_ refusal: AzureRefusal, vault: String, writing: Bool) -> Failure {
        if let (fault, text) = generic(refusal.kind) {
            return fault.failure(
                "\(service): \(text)", vault: vault, writing: writing, retryAfterMilliseconds: refusal.retryAfter)
        }
        let (code, text) = explain(refusal.kind)
        return Failure(
            code, .vaultRefused, "\(service): \(text)", vault: vault, retryable: code == .aborted,
            retryAfterMilliseconds: refusal.retryAfter, isUnsent: refusal.kind == .plainHTTP)
    }

    /// What every service says by HTTP, in words for this one.
    private static func generic(_ kind: AzureRefusal.Kind) -> (HTTPFault, String)? {
        switch kind {
        case .badRequest: (.badRequest, "the request was refused as invalid; check vault_url and prefix")
        case .denied:
            (
                .denied,
                "access was denied; check that the daemon's identity has the role or the access policy in the manual on this "
                    + "vault; a role that was just granted counts after some minutes"
            )
        case .firewall:
            (.denied, "the vault's firewall does not let this host in; allow its address or network, or use a private endpoint")
        case .unauthenticated:
            (
                .unauthenticated,
                "the token is not accepted; check that the identity is of the tenant that the vault belongs to, and tenant_id"
            )
        case .throttled: (.throttled, "the vault gets too many calls for now; make fewer, or use several vaults")
        case .timeout: (.timeout, "the service timed out the request")
        case .unavailable: (.unclear, "the service is not available now")
        case .other(let fault): (fault, "the answer is not the service's own; check vault_url and proxies on the way")
        default: nil
        }
    }

    private static func explain(_ kind: AzureRefusal.Kind) -> (code: StatusCode, text: String) {
        switch kind {
        // Where a secret may be missing, its absence is no failure.
        case .notFound: (.failedPrecondition, "the vault, or what the call needs in it, does not exist; check vault_url")
        case .disabled:
            (
                .failedPrecondition,
                "the newest version of the secret is disabled, and older ones are not read in its place; enable it, store the "
                    + "record again, or delete it"
            )
        case .deleted:
            (
                .failedPrecondition,
                "a deleted secret has the record's name; recover or purge it, and try again"
            )
        case .beingDeleted:
            (.aborted, "the secret is still being deleted, which takes some 15 seconds; try again")
        case .beingRecovered: (.aborted, "the secret is still being recovered; try again in a moment")
        case .conflict: (.aborted, "another writer changed the secret at the same time; try again")
        case .plainHTTP:
            (
                .failedPrecondition,
                "the port in vault_url expects TLS and got plain http; write https://, or correct the proxy before it if it "
                    + "is https already"
            )
        default: (.internal, "a refusal has no explanation; this is a fault of the daemon, please report it")
        }
    }

    /// A deleted secret was not recovered or purged, because that is not allowed.
    static func azureDeleted(_ deleted: AzureOptions.Deleted, vault: String) -> Failure {
        let remedy =
            deleted == .recover
            ? "it may not be recovered; give the daemon's identity the permission to recover secrets, or recover it yourself"
            : "it may not be purged; give the daemon's identity the permission to purge secrets or, where purge protection is "
                + "on, set deleted: recover"
        return Failure(
            .permissionDenied, .vaultRefused, "\(service): a deleted secret has the record's name, and \(remedy)", vault: vault)
    }

    /// A success whose body is not what the service promises.
    static func azureGarbled(vault: String, writing: Bool) -> Failure {
        Failure(
            writing ? .internal : .unavailable, .vaultFailed,
            "\(service): the answer is not what the service gives; check which server is at vault_url",
            vault: vault, retryable: true, mayHaveWritten: writing)
    }

    /// The server asks for tokens of something that it is no part of: they would open other vaults to it.
    static func azureStranger(vault: String) -> Failure {
        Failure(
            .failedPrecondition, .vaultUnreachable,
            "\(service): the server at vault_url asks for tokens of a resource that its host is no part of, and gets none; "
                + "check vault_url, or set resource if the vault is reached by another name",
            vault: vault)
    }

    /// - Parameter service: for the text: "Microsoft Entra ID", …
    static func azure(
        _ error: HTTPError, service: String = service, at place: String = "vault_url", vault: String, writing: Bool,
        isSecure: Bool
    ) -> Failure {
        let failure = error.failure(vault: vault, of: service, at: place)
        // Servers that expect TLS break off, or answer in TLS.
        let isOdd = !isSecure && (error.cause == .interrupted || error.cause == .malformed)
        let hint = isOdd ? "; the address is plain http: if its port expects TLS, write https://" : ""
        return (writing ? failure : failure.ofRead).adding(hint)
    }

    /// No token: `what` says where it was looked for and what to do.
    ///
    /// - Parameter isUnsent: nobody was asked for any.
    static func azureCredentials(
        _ what: String, vault: String, code: StatusCode = .unauthenticated, retryable: Bool = false,
        retryAfterMilliseconds: UInt32 = 0, isUnsent: Bool = false
    ) -> Failure {
        Failure(
            code, code == .unavailable ? .vaultUnreachable : .vaultRefused, "Azure credentials: \(what)", vault: vault,
            retryable: retryable, retryAfterMilliseconds: retryAfterMilliseconds, isUnsent: isUnsent)
    }
}
