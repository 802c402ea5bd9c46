/// Why a request has no answer. Holds no text of the other side's.
package struct HTTPError: Error, Equatable, Sendable {
    /// What came in between.
    package enum Cause: Equatable, Sendable {
        case deadline
        /// A streamed answer stood still for the time given.
        case idle
        case cancelled
        /// The name does not resolve.
        case unresolved
        /// No connection came about.
        case refused
        /// The connection broke before the answer was whole.
        case interrupted
        /// TLS: no common version, or a certificate that does not verify for another reason than the next three.
        case untrusted
        /// TLS: no authority that is trusted has issued the certificate.
        case unknownAuthority
        /// TLS: the certificate is for another name or address.
        case wrongName
        /// TLS: the certificate has expired, or is not valid yet.
        case outdated
        /// TLS: the server answered in plain text.
        case plaintext
        /// A rule of ours: address, scheme or origin not allowed; says which.
        case forbidden(String)
        /// The answer is larger than `limit` bytes.
        case tooLarge(limit: Int)
        /// Not HTTP.
        case malformed
        /// The client was closed.
        case closed
    }

    package let cause: Cause
    /// Surely no byte of the request has reached the server.
    package let isUnsent: Bool

    package init(_ cause: Cause, isUnsent: Bool) {
        self.cause = cause
        self.isUnsent = isUnsent
    }
}
