public import SwiftProtobuf

/// What carries calls to a daemon. The stubs are generic over it, so that a
/// program's tests can put their own in place of a socket.
public protocol CofferChannel: Sendable {
    /// Makes a call that has one response.
    ///
    /// - Throws: `CofferError`, or `CancellationError` if the task is cancelled.
    func response<Request: Message, Response: Message>(
        to request: Request, of method: CofferMethod<Request, Response>, options: CofferCallOptions
    ) async throws -> Response

    /// A call that may have many responses. It is made when the sequence is
    /// iterated, anew each time; leaving the loop cancels it.
    func responses<Request: Message, Response: Message>(
        to request: Request, of method: CofferMethod<Request, Response>, options: CofferCallOptions
    ) -> CofferResponses<Response>
}

/// A method of a service, as frames name it.
public struct CofferMethod<Request: Message, Response: Message>: Sendable {
    /// The 32-bit FNV-1a hash of the full name.
    public let id: UInt32
    /// For instance `coffer.v1.Credentials/Get`.
    public let fullName: String

    /// Names a method; generated code does.
    public init(id: UInt32, fullName: String) {
        self.id = id
        self.fullName = fullName
    }
}

/// How one call is made.
public struct CofferCallOptions: Sendable {
    /// How long it may take, connecting included; nil = the channel's default.
    public var timeout: Duration?
    /// Whether the call may be made again when the connection is lost after it
    /// was sent: true only for what has no effect, or the same effect twice.
    public var isRepeatable: Bool

    /// Options; only methods of Coffer's that change nothing are repeated unless said.
    public init(timeout: Duration? = nil, isRepeatable: Bool = false) {
        self.timeout = timeout
        self.isRepeatable = isRepeatable
    }

    /// These options for a method: Coffer's own reads are repeated whether a stub or a convenience calls them.
    func of<Request, Response>(_ method: CofferMethod<Request, Response>) -> Self {
        var options = self
        options.isRepeatable = isRepeatable || Self.harmless.contains(method.id)
        return options
    }

    /// Methods that change nothing, or the same twice.
    private static let harmless: Set<UInt32> = {
        typealias Credentials = Coffer_V1_CredentialsMethods
        typealias Admin = Coffer_V1_AdminMethods
        return [
            Credentials.get.id, Credentials.getMany.id, Credentials.list.id, Credentials.ping.id,
            Admin.health.id, Admin.stats.id, Admin.invalidate.id,
        ]
    }()
}

/// The responses of one call, as they arrive.
public struct CofferResponses<Response: Sendable>: AsyncSequence, Sendable {
    /// Gives the next response, nil after the last one.
    public typealias Next = () async throws -> Response?

    private let begin: @Sendable () -> Next

    /// - Parameter begin: starts a call; called once for each iteration.
    public init(_ begin: @escaping @Sendable () -> Next) { self.begin = begin }

    /// Starts an iteration; the call is made by its first `next`.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(step: begin()) }

    /// One pass over the responses of one call.
    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let step: Next

        /// - Throws: `CofferError`, or `CancellationError` if the task is cancelled.
        public mutating func next() async throws -> Response? { try await step() }
    }
}
