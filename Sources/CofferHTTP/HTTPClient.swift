package import CofferCore
internal import Synchronization

/// Sends requests to one endpoint over connections that it keeps.
///
/// Never retries, with one exception: libcurl sends a GET again if the kept
/// connection that it chose turns out to be closed. See ``HTTPEngine`` for what
/// stays in memory.
package final class HTTPClient: HTTPTransport {
    private let endpoint: HTTPEndpoint
    private let loop: EngineLoop
    private let group: ConnectionGroup

    init(_ endpoint: HTTPEndpoint, _ loop: EngineLoop) {
        self.endpoint = endpoint
        self.loop = loop
        group = loop.makeGroup(maximumConnections: endpoint.maximumConnections)
    }

    deinit { loop.post(.drop(group)) }

    package func send(
        _ request: HTTPRequest, deadline: BootInstant
    ) async throws(HTTPError) -> HTTPResponse {
        let transfer = try Transfer(request, endpoint, deadline: deadline)
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                transfer.continuation = continuation
                loop.post(.start(transfer, group))
            }
        } onCancel: {
            transfer.isCancelled.store(true, ordering: .releasing)
            loop.post(.cancel(transfer, group))
        }
        return try outcome.get()
    }
}
