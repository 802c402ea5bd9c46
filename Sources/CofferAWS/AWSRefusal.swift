internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit

/// An answer that says no: what it is called, and what that means.
struct AWSRefusal: Error, Equatable {
    /// What the adapter has to tell apart.
    enum Kind: Equatable {
        case notFound
        case exists
        /// The secret is scheduled for deletion, or being deleted.
        case scheduled
        case wrongState
        case badParameter
        case quota
        case encryption
        case policy
        case denied
        case unauthenticated
        /// As `unauthenticated`, and a wrong clock may be the cause.
        case signature
        case expiredCredentials
        case throttled
        case timeout
        case serverFault
        /// The service says that it has not begun.
        case unavailable
        /// No word of the service's that is known.
        case unclear
        /// The port expects TLS, and was sent plain http.
        case plainHTTP
    }

    let kind: Kind
    let status: Int
    /// Milliseconds; 0 = no advice.
    let retryAfter: UInt32
    /// When the server answered, by its own clock.
    let date: WallMilliseconds?

    init(kind: Kind, status: Int, retryAfter: UInt32 = 0, date: WallMilliseconds? = nil) {
        self.kind = kind
        self.status = status
        self.retryAfter = retryAfter
        self.date = date
    }

    init(_ response: HTTPResponse) {
        let (name, message) = Self.nameAndMessage(response)
        kind =
            response.complainsOfPlainHTTP
            ? .plainHTTP : Self.kind(name: name, message: message) ?? Self.kind(status: response.status)
        status = response.status
        date = response.headers["date"].flatMap(Timestamp.milliseconds(ofHTTPDate:))
        retryAfter = response.retryAfterMilliseconds
    }

    // MARK: Reading

    /// The header overrides the body, as the service's own clients have it.
    private static func nameAndMessage(_ response: HTTPResponse) -> (name: String, message: JSONString?) {
        let body = try? JSON.parse(response.body)
        var name = body?["__type"]?.text ?? response.headers["x-amzn-errortype"] ?? xmlName(response.body) ?? ""
        if let query = response.headers["x-amzn-query-error"]?.split(separator: ";").first { name = String(query) }
        name = String(name.prefix { $0 != ":" })
        name = String(name.split(separator: "#").last ?? "")
        return (name, (body?["message"] ?? body?["Message"])?.string)
    }

    private static func xmlName(_ body: Secret) -> String? {
        guard let root = try? AWSXML.parse(body) else { return nil }
        return (root["Error"] ?? root["Errors"]?["Error"])?["Code"]?.text
    }

    private static let kinds: [String: Kind] = [
        "ResourceNotFoundException": .notFound,
        "ResourceExistsException": .exists,
        "InvalidRequestException": .wrongState,
        "InvalidParameterException": .badParameter, "ValidationException": .badParameter,
        "InvalidNextTokenException": .badParameter, "SerializationException": .badParameter,
        "LimitExceededException": .quota,
        "EncryptionFailure": .encryption, "DecryptionFailure": .encryption,
        "MalformedPolicyDocumentException": .policy, "PreconditionNotMetException": .policy,
        "PublicPolicyException": .policy,
        "AccessDeniedException": .denied, "AccessDenied": .denied,
        "UnrecognizedClientException": .unauthenticated, "InvalidClientTokenId": .unauthenticated,
        "MissingAuthenticationToken": .unauthenticated, "MissingAuthenticationTokenException": .unauthenticated,
        "IncompleteSignature": .unauthenticated, "IncompleteSignatureException": .unauthenticated,
        "InvalidSignatureException": .signature, "SignatureDoesNotMatch": .signature,
        "RequestExpired": .signature, "RequestTimeTooSkewed": .signature,
        "ExpiredTokenException": .expiredCredentials, "ExpiredToken": .expiredCredentials,
        "Throttling": .throttled, "ThrottlingException": .throttled, "ThrottledException": .throttled,
        "RequestThrottledException": .throttled, "RequestThrottled": .throttled,
        "TooManyRequestsException": .throttled, "RequestLimitExceeded": .throttled,
        "BandwidthLimitExceeded": .throttled, "ProvisionedThroughputExceededException": .throttled,
        "TransactionInProgressException": .throttled, "SlowDown": .throttled,
        "PriorRequestNotComplete": .throttled, "EC2ThrottledException": .throttled,
        "RequestTimeout": .timeout, "RequestTimeoutException": .timeout,
        "InternalServiceError": .serverFault, "InternalFailure": .serverFault,
        "ServiceUnavailable": .unavailable, "ServiceUnavailableException": .unavailable,
    ]

    /// Nil for a name that is not known.
    ///
    /// - Parameter message: looked at where it is, and never kept: it may repeat what was sent.
    static func kind(name: String, message: JSONString?) -> Kind? {
        // Some names come with and without "Exception".
        let kind = kinds[name] ?? kinds[name + "Exception"]
        guard kind == .wrongState else { return kind }
        let marks = ["scheduled for deletion", "marked for deletion", "marked deleted"]
        let isMarked = message?.withBytes { text in marks.contains { text.contains($0, ignoringCase: true) } }
        return isMarked == true ? .scheduled : .wrongState
    }

    private static func kind(status: Int) -> Kind {
        switch HTTPFault(status: status) {
        case .badRequest, .tooLarge: .badParameter
        case .unauthenticated: .unauthenticated
        case .denied: .denied
        case .timeout: .timeout
        case .throttled: .throttled
        case .serverFault: .serverFault
        // A 404 without the service's word is somebody else's: absence must not be guessed.
        case .unavailable, .unclear: .unclear
        }
    }
}
