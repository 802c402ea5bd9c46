internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit

/// An answer that says no: google.rpc.Status as JSON, and what that means.
struct GoogleRefusal: Error, Equatable {
    /// What the adapter has to tell apart.
    enum Kind: Equatable {
        case notFound
        case exists
        case precondition
        case badRequest
        case unsupported
        case denied
        /// The instance's access scopes leave the service out.
        case scopes
        case apiDisabled
        case billingDisabled
        /// The project of the call, or the one that it is counted for, is not there or may not be used.
        case project
        case unauthenticated
        case throttled
        case conflict
        case cancelled
        case timeout
        case serverFault
        /// The service says that it cannot be used now; what it was asked for may have been done.
        case unavailable
        /// No word of the service's: what HTTP says.
        case other(HTTPFault)
        /// The port expects TLS, and was sent plain http.
        case plainHTTP
    }

    let kind: Kind
    /// Milliseconds; 0 = no advice.
    let retryAfter: UInt32

    init(_ kind: Kind, retryAfter: UInt32 = 0) {
        self.kind = kind
        self.retryAfter = retryAfter
    }

    init(_ response: HTTPResponse) {
        let error = (try? JSON.parse(answer: response.body))?["error"]
        let details = error?["details"]?.elements ?? []
        retryAfter = max(response.retryAfterMilliseconds, Self.delay(details))
        guard !response.complainsOfPlainHTTP else {
            kind = .plainHTTP
            return
        }
        guard let status = error?["status"]?.text else {
            // A 404 without the service's word is somebody else's: absence must not be guessed.
            kind = .other(HTTPFault(status: response.status))
            return
        }
        let reasons = details.compactMap { $0["reason"]?.text }
        kind =
            reasons.lazy.compactMap { Self.reasons[$0] }.first ?? Self.kinds[status]
            ?? .other(HTTPFault(status: response.status))
    }

    /// `status`: names of google.rpc.Code.
    private static let kinds: [String: Kind] = [
        "NOT_FOUND": .notFound, "ALREADY_EXISTS": .exists, "FAILED_PRECONDITION": .precondition,
        "INVALID_ARGUMENT": .badRequest, "OUT_OF_RANGE": .unsupported, "UNIMPLEMENTED": .unsupported,
        "PERMISSION_DENIED": .denied, "UNAUTHENTICATED": .unauthenticated, "RESOURCE_EXHAUSTED": .throttled,
        "ABORTED": .conflict, "CANCELLED": .cancelled, "DEADLINE_EXCEEDED": .timeout, "INTERNAL": .serverFault,
        "UNKNOWN": .serverFault, "DATA_LOSS": .serverFault, "UNAVAILABLE": .unavailable,
    ]

    /// `reason` of google.rpc.ErrorInfo in the domain googleapis.com, which says more than the status.
    private static let reasons: [String: Kind] = [
        "SERVICE_DISABLED": .apiDisabled, "BILLING_DISABLED": .billingDisabled, "CONSUMER_INVALID": .project,
        "CONSUMER_SUSPENDED": .project, "USER_PROJECT_DENIED": .project, "RESOURCE_PROJECT_INVALID": .project,
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT": .scopes, "ACCESS_TOKEN_EXPIRED": .unauthenticated,
        "CREDENTIALS_MISSING": .unauthenticated,
    ]

    /// google.rpc.RetryInfo: "1.5s"; at most an hour.
    private static func delay(_ details: [JSON]) -> UInt32 {
        let texts = details.compactMap { $0["retryDelay"]?.text }
        guard let text = texts.first, text.hasSuffix("s"), let seconds = Double(text.dropLast()), seconds > 0 else { return 0 }
        return UInt32(min(seconds, 3_600) * 1_000)
    }
}
