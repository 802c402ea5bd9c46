internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit

/// What goes wrong with AWS, in words of ours.
extension Failure {
    /// - Parameter writing: the call may have changed something.
    static func aws(_ refusal: AWSRefusal, vault: String, writing: Bool) -> Failure {
        if let (fault, text) = generic(refusal) {
            return fault.failure(
                "AWS Secrets Manager: \(text)", vault: vault, writing: writing,
                retryAfterMilliseconds: refusal.retryAfter)
        }
        let (code, reason, text) = explain(refusal.kind)
        return Failure(
            code, reason, "AWS Secrets Manager: \(text)", vault: vault, retryAfterMilliseconds: refusal.retryAfter,
            // What is behind a port for TLS has carried out nothing of a call by plain http.
            isUnsent: refusal.kind == .plainHTTP)
    }

    /// What every service says by HTTP, in words for this one.
    private static func generic(_ refusal: AWSRefusal) -> (HTTPFault, String)? {
        switch refusal.kind {
        case .badParameter:
            (.badRequest, "a parameter was refused; check prefix, key id and the size of the credential")
        case .denied:
            (
                .denied,
                "access was denied; check the IAM policy of these credentials against the one in the manual, and the "
                    + "policy of the KMS key"
            )
        case .unauthenticated:
            (
                .unauthenticated,
                "the credentials are not accepted; check the access key, that it is active, and that it belongs to "
                    + "this partition and region"
            )
        case .throttled: (.throttled, "too many requests; they are slowed down")
        case .timeout: (.timeout, "the service timed out the request")
        case .serverFault: (.serverFault, "the service reported an internal error; try again")
        case .unavailable: (.unavailable, "the service is not available")
        case .unclear: (.unclear, "the service, or a gateway before it, is not available")
        default: nil
        }
    }

    private static func explain(
        _ kind: AWSRefusal.Kind
    ) -> (code: StatusCode, reason: Reason, text: String) {
        switch kind {
        // Where a secret may be missing, its absence is no failure.
        case .notFound:
            (.unavailable, .vaultFailed, "the answer does not fit the call; check which server is at the endpoint")
        case .exists:
            (
                .aborted, .vaultRefused,
                "another writer changed the secret at the same time; read it again and retry"
            )
        case .scheduled:
            (
                .failedPrecondition, .vaultRefused,
                "the secret is being deleted and could not be restored; try again in a minute, or allow "
                    + "secretsmanager:RestoreSecret"
            )
        case .wrongState:
            (
                .failedPrecondition, .vaultRefused,
                "the secret is in a state that forbids this; check whether another service manages it, whether it is "
                    + "being rotated, and whether it has replicas"
            )
        case .quota:
            (
                // Of this secret or of the account: it says nothing about whether the service works.
                .resourceExhausted, .vaultRefused,
                "a quota is used up: secrets in the region, or versions of this secret (it is written more often than "
                    + "once in ten minutes); ask AWS for more, or write less often"
            )
        case .encryption:
            (
                .failedPrecondition, .vaultRefused,
                "the KMS key of the secret cannot be used; check that it is enabled, not being deleted, and that its "
                    + "policy allows kms:Decrypt and kms:GenerateDataKey"
            )
        case .policy:
            (.failedPrecondition, .vaultRefused, "a resource policy forbids this; check the policy of the secret")
        case .signature:
            (
                .unauthenticated, .vaultRefused,
                "the signature is not accepted; check the secret access key, the region, this host's clock, and that "
                    + "no proxy changes requests"
            )
        case .expiredCredentials:
            (
                .unauthenticated, .vaultRefused,
                "the session token has expired and the credential source gave no newer one; check that source"
            )
        case .plainHTTP:
            (
                .failedPrecondition, .vaultRefused,
                "the endpoint's port expects TLS and got plain http; write https://, or correct the proxy before it if it is "
                    + "https already"
            )
        case .badParameter, .denied, .unauthenticated, .throttled, .timeout, .serverFault, .unavailable, .unclear:
            (.internal, .internal, "a refusal has no words; this is a fault of the daemon, please report it")
        }
    }

    /// - Parameters:
    ///   - service: for the text: "AWS Secrets Manager", …
    ///   - isSecure: whether it was asked by https.
    static func aws(
        _ error: HTTPError, service: String, vault: String, writing: Bool, isSecure: Bool = true
    ) -> Failure {
        let failure = error.failure(vault: vault, of: service, at: "region and endpoint")
        // Servers that expect TLS break off, or answer in TLS.
        let isOdd = !isSecure && (error.cause == .interrupted || error.cause == .malformed)
        let hint = isOdd ? "; the endpoint is plain http: if its port expects TLS, write https://" : ""
        return (writing ? failure : failure.ofRead).adding(hint)
    }

    /// A success whose body is not what the service promises.
    static func awsGarbled(vault: String, writing: Bool) -> Failure {
        Failure(
            writing ? .internal : .unavailable, .vaultFailed,
            "AWS Secrets Manager: the answer is not what the service gives; check which server is at the endpoint",
            vault: vault, retryable: true, mayHaveWritten: writing)
    }

    /// No credentials: `what` says where they were looked for and what to do.
    ///
    /// - Parameter isUnsent: nobody was asked for any.
    static func awsCredentials(
        _ what: String, vault: String, code: StatusCode = .unauthenticated, retryable: Bool = false, isUnsent: Bool = false
    ) -> Failure {
        Failure(code, .vaultRefused, "AWS credentials: \(what)", vault: vault, retryable: retryable, isUnsent: isUnsent)
    }
}
