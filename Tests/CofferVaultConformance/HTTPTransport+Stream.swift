package import CofferCore
package import CofferHTTP
internal import Synchronization

/// For transports of tests, which have the whole answer at once.
extension HTTPTransport {
    package func stream(
        _ request: HTTPRequest, idle: Duration, deadline: BootInstant
    ) async throws(HTTPError) -> HTTPStream {
        let whole = try await send(request, deadline: deadline)
        let body = StreamedBody(whole.body)
        return HTTPStream(
            status: whole.status, headers: whole.headers,
            source: { () async throws(HTTPError) -> Secret? in body.take() }, stop: {})
    }
}

private final class StreamedBody: Sendable {
    private let rest: Mutex<Secret?>

    init(_ body: Secret) { rest = Mutex(body.count == 0 ? nil : body) }

    func take() -> Secret? { rest.withLock { $0.take() } }
}
