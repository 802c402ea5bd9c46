package import CofferCore
internal import Synchronization

/// Sends requests to one endpoint over connections that it keeps.
///
/// Never retries, with one exception: libcurl sends a GET again if the kept
/// connection that it chose turns out to be closed. See ``HTTPEngine`` for what
/// stays in memory.
package final class HTTPClient: HTTPTransport {
    private let place: TransferPlace
    /// Not used: it runs for as long as it has clients, whoever else lets go of it.
    private let engine: HTTPEngine
    private let loop: EngineLoop
    private let group: ConnectionGroup

    init(_ endpoint: HTTPEndpoint, _ engine: HTTPEngine, _ loop: EngineLoop) {
        place = TransferPlace(endpoint, endpoint.origin)
        self.engine = engine
        self.loop = loop
        group = loop.makeGroup(for: endpoint)
    }

    deinit { loop.post(.drop(group)) }

    nonisolated(nonsending) package func send(
        _ request: HTTPRequest, deadline: BootInstant
    ) async throws(HTTPError) -> HTTPResponse {
        try await run(Transfer(request, place(for: request), deadline: deadline))
    }

    nonisolated(nonsending) package func stream(
        _ request: HTTPRequest, idle: Duration, deadline: BootInstant
    ) async throws(HTTPError) -> HTTPStream {
        let body = StreamBody(idle: idle)
        let transfer = try Transfer(request, place(for: request), deadline: deadline, stream: body)
        let head = try await run(transfer)
        // Both hold this client, whose end would end the transfer.
        return HTTPStream(
            status: head.status, headers: head.headers,
            source: { () async throws(HTTPError) -> Secret? in try await self.next(of: body, transfer) },
            stop: { self.cancel(transfer) })
    }

    private func next(of body: StreamBody, _ transfer: Transfer) async throws(HTTPError) -> Secret? {
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { reader in
                if body.read(reader) { loop.post(.resume(transfer, group)) }
            }
        } onCancel: {
            cancel(transfer)
        }
        return try outcome.get()
    }

    private func cancel(_ transfer: Transfer) {
        transfer.isCancelled.store(true, ordering: .releasing)
        loop.post(.cancel(transfer, group))
    }

    /// - Returns: the whole answer, or of a streamed one the head.
    nonisolated(nonsending) private func run(_ transfer: Transfer) async throws(HTTPError) -> HTTPResponse {
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                transfer.continuation = continuation
                loop.post(.start(transfer, group))
            }
        } onCancel: {
            cancel(transfer)
        }
        return try outcome.get()
    }

    private func place(for request: HTTPRequest) throws(HTTPError) -> TransferPlace {
        guard let target = request.origin, target != place.target else { return place }
        guard place.endpoint.allowedOrigins.contains(target) else {
            throw HTTPError(.forbidden("a redirect to an origin that is not allowed for this vault"), isUnsent: true)
        }
        return TransferPlace(place.endpoint, target)
    }
}
