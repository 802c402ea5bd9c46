package import CofferCore

/// What a refusal by HTTP means where its body says nothing better: one table for all vaults. A vault
/// adds the words, and what its own answers mean.
package enum HTTPFault: Sendable {
    case badRequest, tooLarge, unauthenticated, denied
    /// Too many calls; the vault works.
    case throttled
    /// It, or a gateway before it, waited in vain.
    case timeout
    case serverFault
    /// It says that it has not begun, in words of its own: a bare 503 may come from a gateway that got no answer.
    case unavailable
    /// Nothing that can be relied upon, such as the page of a gateway.
    case unclear

    package init(status: Int) {
        self =
            switch status {
            case 400, 414, 422: .badRequest
            case 413: .tooLarge
            case 401: .unauthenticated
            case 403: .denied
            case 429, 509: .throttled
            case 408, 504: .timeout
            case 500: .serverFault
            default: .unclear
            }
    }

    /// - Parameters:
    ///   - text: what is wrong and what to do, in words that hold nothing of the vault's.
    ///   - writing: the call may have changed something.
    package func failure(
        _ text: String, vault: String, writing: Bool, retryAfterMilliseconds: UInt32 = 0
    ) -> Failure {
        let (code, reason) = status
        return Failure(
            code, reason, text, vault: vault, retryable: isTransient, retryAfterMilliseconds: retryAfterMilliseconds,
            mayHaveWritten: writing && leavesDoubt)
    }

    private var status: (StatusCode, Failure.Reason) {
        switch self {
        case .badRequest: (.invalidArgument, .vaultRefused)
        case .tooLarge: (.invalidArgument, .credentialTooLarge)
        case .unauthenticated: (.unauthenticated, .vaultRefused)
        case .denied: (.permissionDenied, .vaultRefused)
        case .throttled: (.resourceExhausted, .limit)
        case .timeout: (.deadlineExceeded, .deadline)
        case .serverFault: (.internal, .vaultFailed)
        case .unavailable, .unclear: (.unavailable, .vaultUnreachable)
        }
    }

    /// The same call may succeed later.
    private var isTransient: Bool {
        switch self {
        case .throttled, .timeout, .serverFault, .unavailable, .unclear: true
        case .badRequest, .tooLarge, .unauthenticated, .denied: false
        }
    }

    /// The vault may have done what it was asked for.
    private var leavesDoubt: Bool {
        switch self {
        case .timeout, .serverFault, .unclear: true
        case .badRequest, .tooLarge, .unauthenticated, .denied, .throttled, .unavailable: false
        }
    }
}
