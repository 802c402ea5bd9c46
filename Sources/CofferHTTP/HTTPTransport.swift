package import CofferCore

/// Sends requests to one service: what adapters see of HTTP, and what tests replace.
package protocol HTTPTransport: Sendable {
    /// Sends the request and returns the whole answer.
    ///
    /// A cancelled task stops the transfer. Never retries and never follows a
    /// redirect: that is for who knows what the request means.
    ///
    /// - Throws: why there is no answer.
    nonisolated(nonsending)
        func send(_ request: HTTPRequest, deadline: BootInstant) async throws(HTTPError) -> HTTPResponse

    /// Sends the request and returns when the head of the answer is there. The body comes in pieces: no more of it is
    /// in memory than 64 KiB, and a server that sends faster than they are read has to wait.
    ///
    /// - Parameters:
    ///   - idle: for how long the server may then send nothing. A reader that is slow does not use it up.
    ///   - deadline: of the head. The body has none: it may go on for hours.
    /// - Throws: why there is no head.
    nonisolated(nonsending)
        func stream(
            _ request: HTTPRequest, idle: Duration, deadline: BootInstant
        ) async throws(HTTPError) -> HTTPStream
}
