/// A user's connections, fetched page by page as they are iterated. Each
/// iteration asks anew.
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
            try Bounds.checkTexts(("user", request.userID))
            let response = try await client.list(
                request, options: CofferCallOptions(timeout: timeout, isRepeatable: true))
            page = response.entries[...]
            isLastPage = response.nextPageToken.isEmpty
            guard isLastPage || response.nextPageToken != request.pageToken else {
                throw CofferError(.internal, .malformed, "the daemon answered List with the same page again")
            }
            request.pageToken = response.nextPageToken
        }
    }
}
