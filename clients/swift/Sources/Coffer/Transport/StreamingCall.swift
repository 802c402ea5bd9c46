import SwiftProtobuf

/// A call with many responses, made when the first one is asked for.
struct StreamingCall<Request: Message, Response: Message> {
    private let channel: UnixSocketChannel
    private let request: Request
    private let method: CofferMethod<Request, Response>
    private let options: CofferCallOptions
    private var retry: Retry
    private var call: OutgoingCall?
    private var replies: AsyncThrowingStream<Reply, any Error>.AsyncIterator?
    private var isFinished = false

    init(
        channel: UnixSocketChannel, _ request: Request, _ method: CofferMethod<Request, Response>,
        _ options: CofferCallOptions
    ) {
        self.channel = channel
        self.request = request
        self.method = method
        self.options = options.of(method)
        retry = Retry(self.options, window: channel.configuration.reconnectWindow)
    }

    /// - Throws: `CofferError`, or `CancellationError` if the task is cancelled.
    mutating func next() async throws -> Response? {
        while !isFinished {
            do {
                return try await attempt()
            } catch {
                replies = nil
                isFinished = true
                guard let call else { throw error }
                try await retry.wait(after: error, until: call.deadline)
                isFinished = false
            }
        }
        return nil
    }

    private mutating func attempt() async throws -> Response? {
        if replies == nil {
            try Task.checkCancellation()
            let call = try call ?? channel.outgoing(request, method, options)
            self.call = call
            replies = try await channel.connection(until: call.deadline)
                .replies(to: call).makeAsyncIterator()
        }
        guard let reply = try await replies?.next() else {
            // A cancelled task sees the stream end.
            try Task.checkCancellation()
            isFinished = true
            return nil
        }
        let response = try reply.message(of: method, mayWrite: !options.isRepeatable)
        retry.stop()
        return response
    }
}
