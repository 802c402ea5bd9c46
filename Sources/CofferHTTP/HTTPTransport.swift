package import CofferCore

/// Sends requests to one service: what adapters see of HTTP, and a seam for tests.
package protocol HTTPTransport: Sendable {
    /// Sends the request and returns the whole answer.
    ///
    /// A cancelled task stops the transfer. Never retries and never follows a
    /// redirect: that is for who knows what the request means.
    ///
    /// - Throws: why there is no answer.
    nonisolated(nonsending)
        func send(_ request: HTTPRequest, deadline: BootInstant) async throws(HTTPError) -> HTTPResponse
}
