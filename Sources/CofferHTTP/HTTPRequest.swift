package import CofferCore

/// One request to a vault. Nothing secret belongs in its path.
package struct HTTPRequest: Sendable {
    /// What vaults are asked with.
    package enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
        case put = "PUT"
        case patch = "PATCH"
        case delete = "DELETE"
    }

    package var method: Method
    /// Path and query, percent-encoded, beginning with "/".
    package var path: String
    package var headers: [HTTPHeader]
    /// Lent to the sender, never copied; wiped with its last owner.
    package var body: Secret?
    /// Another node of the same service, as a redirect named it; nil = the
    /// endpoint's own origin. It must be one that the endpoint allows.
    package var origin: HTTPOrigin?

    package init(
        _ method: Method, _ path: String, headers: [HTTPHeader] = [], body: Secret? = nil,
        origin: HTTPOrigin? = nil
    ) {
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        self.origin = origin
    }
}

/// A request header. Its value may be a credential.
package struct HTTPHeader: Sendable {
    package let name: String
    package let value: Secret

    package init(_ name: String, _ value: Secret) {
        self.name = name
        self.value = value
    }

    package init(_ name: String, _ value: String) {
        self.name = name
        self.value = Secret(value)
    }
}

/// The answer to a request: any status, redirects included, is an answer.
package struct HTTPResponse: Sendable {
    package var status: Int
    package var headers: HTTPFields
    package var body: Secret

    package init(status: Int, headers: HTTPFields = HTTPFields(), body: Secret) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}
