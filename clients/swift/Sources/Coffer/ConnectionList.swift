/// A user's connections, fetched page by page as they are iterated. Each
/// iteration asks the daemon again. An error ends an iteration: what came before it is not the whole list.
public struct ConnectionList<Channel: CofferChannel>: AsyncSequence, Sendable {
    let client: Coffer_V1_CredentialsClient<Channel>
    let request: Coffer_V1_ListRequest
    let timeout: Duration?

    /// Starts with the first page.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(client: client, request: request, timeout: timeout)
    }

    /// One pass over the connections.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let client: Coffer_V1_CredentialsClient<Channel>
        var request: Coffer_V1_ListRequest
        let timeout: Duration?
        var page: ArraySlice<Coffer_V1_ListEntry> = []
        var isLastPage = false
        var tokens = PageTokens()

        init(
            client: Coffer_V1_CredentialsClient<Channel>, request: Coffer_V1_ListRequest,
            timeout: Duration?
        ) {
            self.client = client
            self.request = request
            self.timeout = timeout
        }

        /// - Throws: `CofferError`, or `CancellationError` if the task is cancelled.
        public mutating func next() async throws -> ConnectionEntry? {
            while page.isEmpty && !isLastPage { try await fetch() }
            return page.popFirst().map(ConnectionEntry.init)
        }

        private mutating func fetch() async throws {
            // One that has failed is at its end.
            isLastPage = true
            try Bounds.checkTexts(("user", request.userID))
            try tokens.check(request.pageToken)
            let response = try await client.list(
                request, options: CofferCallOptions(timeout: timeout, isRepeatable: true))
            page = response.entries[...]
            isLastPage = response.nextPageToken.isEmpty
            request.pageToken = response.nextPageToken
        }
    }
}
