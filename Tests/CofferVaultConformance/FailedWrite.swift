package import CofferCore
package import CofferHTTP

/// A way in which a write of a vault that is reached by HTTP fails, and whether it may have
/// happened then. What surely did not leaves the cache as it was.
package struct FailedWrite: Sendable, CustomStringConvertible {
    package enum Fault: Sendable {
        case answer(Int, String)
        case error(HTTPError)

        package func response() throws(HTTPError) -> HTTPResponse {
            switch self {
            case .answer(let status, let body):
                HTTPResponse(status: status, body: SecretWriter.build(count: body.utf8.count) { $0.append(body) })
            case .error(let error): throw error
            }
        }
    }

    package let description: String
    package let fault: Fault
    package let mayHaveWritten: Bool

    package init(_ description: String, _ fault: Fault, _ mayHaveWritten: Bool) {
        self.description = description
        self.fault = fault
        self.mayHaveWritten = mayHaveWritten
    }

    /// What any transport may end with.
    package static let transport = [
        FailedWrite("no connection", .error(HTTPError(.refused, isUnsent: true)), false),
        FailedWrite("no name", .error(HTTPError(.unresolved, isUnsent: true)), false),
        FailedWrite("reset before the request", .error(HTTPError(.interrupted, isUnsent: true)), false),
        FailedWrite("no time to send it", .error(HTTPError(.deadline, isUnsent: true)), false),
        FailedWrite("TLS", .error(HTTPError(.untrusted, isUnsent: true)), false),
        FailedWrite("closed", .error(HTTPError(.closed, isUnsent: true)), false),
        FailedWrite("reset after the request", .error(HTTPError(.interrupted, isUnsent: false)), true),
        FailedWrite("no answer in time", .error(HTTPError(.deadline, isUnsent: false)), true),
        FailedWrite("cancelled", .error(HTTPError(.cancelled, isUnsent: false)), true),
        FailedWrite("not HTTP", .error(HTTPError(.malformed, isUnsent: false)), true),
        FailedWrite("too large", .error(HTTPError(.tooLarge(limit: 9), isUnsent: false)), true),
    ]

    /// What is wrong with the failure of a write that ended so; nil = nothing.
    package static func violation(in failure: Failure?, mayHaveWritten: Bool) -> String? {
        guard let failure else { return "the write did not fail" }
        guard failure.mayHaveWritten == mayHaveWritten,
            failure.message.hasSuffix("; a write may have happened") == mayHaveWritten
        else { return "expected mayHaveWritten: \(mayHaveWritten); got \(failure)" }
        return mayHaveWritten && failure.isUnsent ? "it may have happened, and was not sent" : nil
    }
}
