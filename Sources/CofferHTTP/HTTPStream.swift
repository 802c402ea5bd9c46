package import CofferCore

/// An answer that comes in pieces, for as long as the server sends: its head is here, its body is read
/// with ``next()``, by one task at a time.
///
/// It ends with the last reference to it, too: what is left of the answer is not read then.
package final class HTTPStream: Sendable {
    package let status: Int
    package let headers: HTTPFields
    private let source: @Sendable () async throws(HTTPError) -> Secret?
    private let stop: @Sendable () -> Void

    /// For transports.
    ///
    /// - Parameters:
    ///   - source: gives the next piece; nil = the end.
    ///   - stop: ends it before; may be called more than once, and after the end.
    package init(
        status: Int, headers: HTTPFields = HTTPFields(), source: @escaping @Sendable () async throws(HTTPError) -> Secret?,
        stop: @escaping @Sendable () -> Void
    ) {
        self.status = status
        self.headers = headers
        self.source = source
        self.stop = stop
    }

    deinit { stop() }

    /// The next bytes of the body as they came, never none; nil = the server has sent all of it. Suspends until
    /// there are some.
    ///
    /// - Throws: `idle` if the server sends nothing for the time given, `interrupted` if the answer broke off,
    ///   `cancelled` if the task was cancelled or the stream stopped, which closes the connection; after an error the
    ///   same again.
    package func next() async throws(HTTPError) -> Secret? { try await source() }

    /// Ends it: the connection is closed, and ``next()`` throws `cancelled`.
    package func cancel() { stop() }
}
