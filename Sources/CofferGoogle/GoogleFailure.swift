internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit

/// What goes wrong with Google. Texts of the service are not passed on.
extension Failure {
    private static let service = "Google Secret Manager"

    /// - Parameter writing: the call may have changed something.
    static func google(_ refusal: GoogleRefusal, vault: String, writing: Bool) -> Failure {
        if let (fault, text) = generic(refusal.kind) {
            return fault.failure(
                "\(service): \(text)", vault: vault, writing: writing, retryAfterMilliseconds: refusal.retryAfter)
        }
        let (code, text) = explain(refusal.kind)
        return Failure(
            code, .vaultRefused, "\(service): \(text)", vault: vault, retryable: code == .aborted,
            retryAfterMilliseconds: refusal.retryAfter,
            // What stands before the service has handed nothing on to it.
            isUnsent: isBeforeService(refusal.kind), mayHaveWritten: writing && refusal.kind == .cancelled)
    }

    private static func isBeforeService(_ kind: GoogleRefusal.Kind) -> Bool {
        [.apiDisabled, .billingDisabled, .project, .plainHTTP].contains(kind)
    }

    /// What every service says by HTTP, in words for this one.
    private static func generic(_ kind: GoogleRefusal.Kind) -> (HTTPFault, String)? {
        switch kind {
        case .badRequest:
            (.badRequest, "the request was refused as invalid; check project, location, replicas and prefix")
        case .denied:
            (
                .denied,
                "access was denied; check that the daemon's account has the role in the manual on this project, and that "
                    + "the project is the right one: the answer is the same where it does not exist"
            )
        case .scopes:
            (
                .denied,
                "the access scopes of this instance leave Secret Manager out; give it the scope cloud-platform, or a "
                    + "credentials file"
            )
        case .unauthenticated:
            (
                .unauthenticated,
                "the access token is not accepted; check that the service account and its key are enabled"
            )
        case .throttled: (.throttled, "a quota of the project is used up for now; ask for more, or make fewer calls")
        case .timeout: (.timeout, "the service timed out the request")
        case .serverFault: (.serverFault, "the service reported an internal error; try again")
        // It may be said after the call was carried out: google.rpc.Code.
        case .unavailable: (.unclear, "the service is not available now")
        case .other(let fault): (fault, "the answer is not the service's own; check the endpoint and proxies on the way")
        default: nil
        }
    }

    private static func explain(_ kind: GoogleRefusal.Kind) -> (code: StatusCode, text: String) {
        switch kind {
        // Where a secret may be missing, its absence is no failure: what is missing is what it would be in.
        case .notFound: (.failedPrecondition, "the project, or the location in it, does not exist; check both")
        case .exists, .conflict:
            (.aborted, "another writer changed the secret at the same time; try again")
        case .precondition:
            (
                .failedPrecondition,
                "the state of the secret or of its key forbids this; check that it is not being changed by others and "
                    + "that a customer-managed key is enabled"
            )
        case .unsupported: (.failedPrecondition, "the service does not support this call; check location and endpoint")
        case .apiDisabled:
            (
                .failedPrecondition,
                "the Secret Manager API is not enabled in the project; enable secretmanager.googleapis.com"
            )
        case .billingDisabled: (.failedPrecondition, "billing is disabled for the project; enable it")
        case .project:
            (
                .failedPrecondition,
                "the project, or the quota project, is not valid for these credentials; check project, quota_project and "
                    + "that the account may use the latter (serviceusage.services.use)"
            )
        case .cancelled: (.aborted, "the service cancelled the call; try again")
        case .plainHTTP:
            (
                .failedPrecondition,
                "the endpoint's port expects TLS and got plain http; write https://, or correct the proxy before it if it is "
                    + "https already"
            )
        default: (.internal, "a refusal has no explanation; this is a fault of the daemon, please report it")
        }
    }

    /// The newest version of a secret cannot be read, and older ones do not stand in for it.
    static func googleVersion(_ state: GoogleVersion.State, vault: String) -> Failure {
        let (what, remedy) =
            state == .disabled ? ("disabled", "enable it, store the record again") : ("destroyed", "store the record again")
        return Failure(
            .failedPrecondition, .vaultRefused,
            "\(service): the newest version of the secret is \(what), and older ones are not read in its place; \(remedy), or delete it",
            vault: vault)
    }

    /// "latest" led to a version that is destroyed, and there is a newer one.
    static func googleBehind(vault: String) -> Failure {
        Failure(
            .unavailable, .vaultFailed,
            "\(service): the service does not show the newest version of the secret yet; try again in a moment", vault: vault,
            retryable: true, retryAfterMilliseconds: 200)
    }

    /// A success whose body is not what the service promises.
    static func googleGarbled(vault: String, writing: Bool) -> Failure {
        Failure(
            writing ? .internal : .unavailable, .vaultFailed,
            "\(service): the answer is not what the service gives; check which server is at the endpoint",
            vault: vault, retryable: true, mayHaveWritten: writing)
    }

    /// A payload whose checksum is another than the one that came with it.
    static func googleDamaged(vault: String) -> Failure {
        Failure(
            .unavailable, .vaultFailed,
            "\(service): the payload was damaged on its way: its CRC-32C is not the one that came with it; try again",
            vault: vault, retryable: true)
    }

    /// - Parameter service: for the text: "Google's token service", …
    static func google(
        _ error: HTTPError, service: String = service, at place: String = "endpoint", vault: String, writing: Bool,
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
    static func googleCredentials(
        _ what: String, vault: String, code: StatusCode = .unauthenticated, retryable: Bool = false,
        retryAfterMilliseconds: UInt32 = 0, isUnsent: Bool = false
    ) -> Failure {
        Failure(
            code, .vaultRefused, "Google credentials: \(what)", vault: vault, retryable: retryable,
            retryAfterMilliseconds: retryAfterMilliseconds, isUnsent: isUnsent)
    }
}
