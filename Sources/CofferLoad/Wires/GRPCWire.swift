internal import CofferCore
internal import Glibc

/// gRPC's unary `coffer.v1.Credentials/Get` over HTTP/2, one call at a time on
/// each connection.
///
/// As little of HTTP/2 as gives the server no more work than a client of its own
/// would: the server may send without limit, so no windows are kept, and its pings
/// are not answered. That holds for some two gigabytes of answers on a connection.
struct GRPCWire: Wire {
    /// With one call in flight, they are.
    static let isOrdered = true

    private enum Kind {
        static let data: UInt8 = 0
        static let headers: UInt8 = 1
        static let reset: UInt8 = 3
        static let settings: UInt8 = 4
        static let goAway: UInt8 = 7
        static let windowUpdate: UInt8 = 8
    }
    private static let endStream: UInt8 = 1
    private static let acknowledged: UInt8 = 1
    private static let endHeaders: UInt8 = 4
    private static let headerBytes = 9
    /// Before each message: a flag and its length.
    private static let prefixBytes = 5
    private static let largestWindow: UInt32 = 1 << 31 - 1

    private let request: RequestTemplate
    /// Where the second frame of a request, its message, starts.
    private let message: Int
    private let check: AnswerCheck

    init(shape: RecordShape) {
        let headers = Self.frame(Kind.headers, flags: Self.endHeaders, Self.requestHeaders())
        let payload = shape.getRequest()
        let prefix: [UInt8] = [0] + Self.bigEndian(UInt32(payload.count))
        message = headers.count
        request = RequestTemplate(
            headers + Self.frame(Kind.data, flags: Self.endStream, prefix + payload), shape: shape)
        check = AnswerCheck(shape: shape, valuesDiffer: false)
    }

    var largestRequest: Int { request.bytes.count }

    /// HPACK: names from the static table, nothing indexed.
    private static func requestHeaders() -> [UInt8] {
        func text(_ text: String) -> [UInt8] { [UInt8(text.utf8.count)] + Array(text.utf8) }
        return [0x83, 0x86]  // :method POST, :scheme http
            + [0x04] + text("/" + Method.get.fullName)
            + [0x01] + text("localhost")
            + [0x0f, 0x10] + text("application/grpc")
            + [0x00] + text("te") + text("trailers")
    }

    private static func frame(_ kind: UInt8, flags: UInt8 = 0, _ payload: [UInt8]) -> [UInt8] {
        bigEndian(UInt32(payload.count))[1...] + [kind, flags, 0, 0, 0, 0] + payload
    }

    private static func bigEndian(_ value: UInt32) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }

    /// Preface and settings there, settings back, both acknowledged.
    func greet(_ descriptor: Int32) throws(LoadError) {
        let initialWindow: [UInt8] = [0, 4] + Self.bigEndian(Self.largestWindow)
        try Self.send(
            Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
                + Self.frame(Kind.settings, initialWindow)
                + Self.frame(Kind.windowUpdate, Self.bigEndian(Self.largestWindow - 65535)), descriptor)
        let header = try Self.receive(Self.headerBytes, descriptor)
        guard header[3] == Kind.settings, header[4] & Self.acknowledged == 0 else {
            throw LoadError("expected the server's HTTP/2 settings, got a frame of type \(header[3])")
        }
        _ = try Self.receive(Int(header[1]) << 8 | Int(header[2]), descriptor)
        try Self.send(Self.frame(Kind.settings, flags: Self.acknowledged, []), descriptor)
    }

    private static func send(_ bytes: [UInt8], _ descriptor: Int32) throws(LoadError) {
        guard Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
            throw .system("cannot greet the server")
        }
    }

    private static func receive(_ count: Int, _ descriptor: Int32) throws(LoadError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        guard count == 0 || recv(descriptor, &bytes, count, Int32(MSG_WAITALL)) == count else {
            throw LoadError("the server did not greet")
        }
        return bytes
    }

    @inline(__always)
    func write(
        _ method: Method, to place: UnsafeMutableRawPointer, callID: UInt64, sequence: UInt64,
        key: UInt32
    ) -> Int {
        request.write(to: place, key: key)
        let stream = UInt32(truncatingIfNeeded: sequence &* 2 &- 1) & Self.largestWindow
        place.store(bigEndian: stream, at: 5)
        place.store(bigEndian: stream, at: message + 5)
        return request.bytes.count
    }

    /// All frames to the trailers, which end the stream.
    @inline(__always)
    func answer(in received: UnsafeRawBufferPointer) throws(LoadError) -> Answer? {
        var payload = UnsafeRawBufferPointer(start: nil, count: 0)
        var offset = 0
        while received.count - offset >= Self.headerBytes, let start = received.baseAddress {
            let word = (start + offset).bigEndian(at: 0, as: UInt32.self)
            let next = offset + Self.headerBytes + Int(word >> 8)
            guard received.count >= next else { return nil }
            let kind = UInt8(truncatingIfNeeded: word)
            let flags = received[offset + 4]
            switch kind {
            case Kind.data where next - offset >= Self.headerBytes + Self.prefixBytes:
                payload = .init(rebasing: received[offset + Self.headerBytes + Self.prefixBytes..<next])
            case Kind.headers where flags & Self.endStream != 0:
                // The status is in compressed headers; without a message it is no OK.
                let status: StatusCode = payload.isEmpty ? .internal : .ok
                return Answer(bytes: next, status: status.rawValue, payload: payload)
            case Kind.reset, Kind.goAway:
                throw LoadError("the server sent a frame of type \(kind): it ended the call")
            default: break
            }
            offset = next
        }
        return nil
    }

    func fault(in payload: RawSpan, method: Method, key: UInt32) -> String? {
        check.fault(in: payload, method: method, key: key)
    }

    func failure(in payload: RawSpan) -> String { "a gRPC call failed" }
}
