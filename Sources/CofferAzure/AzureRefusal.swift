internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit

/// An answer that says no: KeyVaultError as JSON, and what that means.
struct AzureRefusal: Error, Equatable {
    /// What the adapter has to tell apart.
    enum Kind: Equatable {
        /// There is no such secret, or it is deleted.
        case notFound
        case badRequest
        case unauthenticated
        /// Neither a role nor an access policy allows it.
        case denied
        case firewall
        /// The secret is disabled.
        case disabled
        /// A deleted secret has this name.
        case deleted
        case beingDeleted
        case beingRecovered
        /// Another writer.
        case conflict
        case throttled
        case timeout
        /// It may have been done.
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
        retryAfter = response.retryAfterMilliseconds
        guard !response.complainsOfPlainHTTP else {
            kind = .plainHTTP
            return
        }
        let error = (try? JSON.parse(answer: response.body))?["error"]
        kind = Self.kind(error) ?? Self.kind(status: response.status)
    }

    /// The innermost code that is known says the most.
    private static func kind(_ error: JSON?) -> Kind? {
        var found = error?["code"]?.text.flatMap { codes[$0] }
        var inner = error?["innererror"]
        for _ in 0..<4 {
            guard let error = inner else { break }
            found = error["code"]?.text.flatMap { innerCodes[$0] } ?? found
            inner = error["innererror"]
        }
        return found
    }

    /// A 404 without the service's word is somebody else's: absence must not be guessed.
    private static func kind(status: Int) -> Kind {
        switch status {
        case 429: .throttled
        case 500, 502, 503: .unavailable
        case 504: .timeout
        default: .other(HTTPFault(status: status))
        }
    }

    private static let codes: [String: Kind] = [
        "SecretNotFound": .notFound, "BadParameter": .badRequest, "BadArgument": .badRequest,
        "Unauthorized": .unauthenticated, "Forbidden": .denied, "Conflict": .conflict, "ConflictError": .conflict,
        "Throttled": .throttled,
    ]

    private static let innerCodes: [String: Kind] = [
        "AccessDenied": .denied, "ForbiddenByPolicy": .denied, "ForbiddenByRbac": .denied, "ForbiddenByFirewall": .firewall,
        "ForbiddenByConnection": .firewall, "SecretDisabled": .disabled, "ObjectIsDeletedButRecoverable": .deleted,
        "ObjectIsBeingDeleted": .beingDeleted, "ObjectIsBeingRecovered": .beingRecovered,
    ]
}
