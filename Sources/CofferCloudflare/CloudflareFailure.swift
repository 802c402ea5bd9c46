internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit

/// What goes wrong with Cloudflare's API. Texts of the service are not passed on.
extension Failure {
    static func cloudflare(_ refusal: CloudflareRefusal, _ product: CloudflareProduct, vault: String) -> Failure {
        if let (fault, text) = generic(refusal) {
            return fault.failure(
                "\(product.title): \(text)", vault: vault, writing: refusal.isOfWrite,
                retryAfterMilliseconds: refusal.retryAfter)
        }
        let (code, reason, text) = explain(refusal.kind)
        return Failure(
            code, reason, "\(product.title): \(text)", vault: vault, retryable: code == .aborted,
            // What is behind a port for TLS has carried out nothing of a call by plain http.
            isUnsent: refusal.kind == .plainHTTP)
    }

    /// What every service says by HTTP, in words for this one.
    private static func generic(_ refusal: CloudflareRefusal) -> (HTTPFault, String)? {
        switch refusal.kind {
        case .unauthenticated:
            (.unauthenticated, "the API token is not accepted; check that it is whole, active and not expired, or create another one")
        case .denied:
            (.denied, "access was denied; check that the API token is valid, is for this account, and has the permissions that the manual names")
        case .throttled: (.throttled, tooMany)
        case .tooLarge: (.tooLarge, "the record is too large; store a smaller credential")
        case .badParameter: (.badRequest, "a parameter was refused; check prefix and the size of the credential")
        // Nowhere does Cloudflare say that such a call was not carried out.
        case .unavailable: (.unclear, "the service is not available; try again")
        case .status: byStatus(refusal.status)
        default: nil
        }
    }

    private static let tooMany =
        "too many requests; Cloudflare allows 1,200 in 5 minutes, and one write a second of one key"

    /// Nothing that the API says: by the status alone.
    private static func byStatus(_ status: Int) -> (HTTPFault, String) {
        switch status {
        // Cloudflare's edge says so with a page.
        case 429: return (.throttled, tooMany)
        // Of Cloudflare's edge, which may have passed the request on.
        case 500...599: return (.unclear, "the service reported an internal error (\(status)); try again")
        default: break
        }
        let text = "the answer of status \(status) is not the API's; check api_url, and whether a proxy answers in its place"
        return (HTTPFault(status: status), text)
    }

    private static func explain(
        _ kind: CloudflareRefusal.Kind
    ) -> (code: StatusCode, reason: Reason, text: String) {
        switch kind {
        // Where a key or secret may be missing, its absence is no failure.
        case .keyNotFound:
            (.unavailable, .vaultFailed, "the answer does not fit the call; check which server is at api_url")
        case .namespaceNotFound:
            (.failedPrecondition, .vaultRefused, "the KV namespace does not exist; check kv_namespace and account_id")
        case .storeNotFound:
            (.failedPrecondition, .vaultRefused, "the store does not exist; check store and account_id")
        case .badRoute:
            (
                .failedPrecondition, .vaultRefused,
                "the account, namespace or store is unknown to the API; check account_id, kv_namespace or store"
            )
        case .unsuited:
            (
                .failedPrecondition, .vaultRefused,
                "the KV namespace does not support this call; use a namespace that was made for Workers KV"
            )
        case .badCursor:
            (.invalidArgument, .badField, "page_token: is no longer valid; start from the first page")
        case .nameExists:
            (.aborted, .vaultRefused, "another writer created the secret at the same time; try again")
        case .secretNotFound:
            (.aborted, .vaultRefused, "another writer deleted the secret at the same time; try again")
        case .quota:
            (
                .resourceExhausted, .vaultRefused,
                "the account's quota of secrets is used up; delete some, or ask Cloudflare for more"
            )
        case .plainHTTP:
            (
                .failedPrecondition, .vaultRefused,
                "the port of api_url expects TLS and got plain http; write https://, or correct the proxy before it if it is "
                    + "https already"
            )
        case .noSuchCall:
            (
                .internal, .vaultFailed,
                "the API does not know the call; check which server is at api_url"
            )
        case .unauthenticated, .denied, .throttled, .tooLarge, .badParameter, .unavailable, .status:
            (.internal, .internal, "a refusal has no explanation; this is a fault of the daemon, please report it")
        }
    }

    /// A success whose body is not what the API promises.
    static func cloudflareGarbled(_ product: CloudflareProduct, vault: String, writing: Bool) -> Failure {
        Failure(
            writing ? .internal : .unavailable, .vaultFailed,
            "\(product.title): the answer is not what the API gives; check api_url, and whether a proxy answers in its place",
            vault: vault, retryable: true, mayHaveWritten: writing)
    }

    /// Something that the configuration names is not there.
    static func cloudflareSetUp(_ text: String, _ product: CloudflareProduct, vault: String) -> Failure {
        Failure(.failedPrecondition, .vaultRefused, "\(product.title): \(text)", vault: vault)
    }
}
