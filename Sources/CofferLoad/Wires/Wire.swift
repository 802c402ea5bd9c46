/// How one kind of server is spoken to. The generator is compiled anew for each,
/// so that none pays for another.
///
/// Every kind has the same records: see `RecordShape`.
protocol Wire {
    /// True if answers come in the order of their requests and name none.
    static var isOrdered: Bool { get }

    /// Bytes, of either method.
    var largestRequest: Int { get }

    /// What must pass before the first request, on a blocking socket.
    func greet(_ descriptor: Int32) throws(LoadError)

    /// Writes one request.
    ///
    /// - Parameter sequence: counts the requests of this connection, from 1.
    /// - Returns: its bytes.
    func write(
        _ method: Method, to place: UnsafeMutableRawPointer, callID: UInt64, sequence: UInt64,
        key: UInt32
    ) -> Int

    /// The first answer in what was received; nil if more has to come.
    ///
    /// - Throws: what makes all that follows unreadable.
    func answer(in received: UnsafeRawBufferPointer) throws(LoadError) -> Answer?

    /// What is wrong with an answer that says it is OK; nil if nothing is.
    func fault(in payload: RawSpan, method: Method, key: UInt32) -> String?

    /// What an answer that is not OK says of itself.
    func failure(in payload: RawSpan) -> String
}

extension Wire {
    func greet(_ descriptor: Int32) throws(LoadError) {}
}

/// An answer, in the memory of its connection.
struct Answer {
    /// From the first byte to the last.
    let bytes: Int
    /// Of the call that it answers; 0 where `Wire.isOrdered`.
    var callID: UInt64 = 0
    /// As our own protocol has it; other answers are OK, NOT_FOUND or INTERNAL.
    let status: UInt32
    let payload: UnsafeRawBufferPointer
}

/// What may be measured beside a daemon, by the names of the command line.
package enum Peer: String, CaseIterable, Codable, Sendable {
    /// memcached's text protocol: `get` and `set`.
    case memcached
    /// RESP 2: `GET` and `SET`.
    case redis
    /// HTTP/1.1 `GET` of one path, which is there already.
    case http
    /// Unary `coffer.v1.Credentials/Get` over HTTP/2, one call at a time on each connection.
    case grpc

    /// False if it has nothing but `Get`, of one value.
    var canStore: Bool { self == .memcached || self == .redis }
}
