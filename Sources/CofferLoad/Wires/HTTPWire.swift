internal import CofferCore

/// HTTP/1.1 on connections that are kept: GET of one path, whose body has the
/// value of record 0 somewhere in it.
struct HTTPWire: Wire {
    static let isOrdered = true

    private let request: RequestTemplate
    private let shape: RecordShape

    /// - Parameter path: as it goes into the request line.
    init(path: String, shape: RecordShape) {
        request = RequestTemplate("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n", shape: shape)
        self.shape = shape
    }

    var largestRequest: Int { request.bytes.count }

    @inline(__always)
    func write(
        _ method: Method, to place: UnsafeMutableRawPointer, callID: UInt64, sequence: UInt64,
        key: UInt32
    ) -> Int {
        // One path, one record.
        request.write(to: place, key: 0)
        return request.bytes.count
    }

    @inline(__always)
    func answer(in received: UnsafeRawBufferPointer) throws(LoadError) -> Answer? {
        guard var line = received.line(from: 0) else { return nil }
        guard received.starts(with: line, "HTTP/1.1 ") else {
            throw LoadError("expected an answer of HTTP/1.1")
        }
        let code = received[line.lowerBound + 9..<line.upperBound].prefix(3).number
        var length: Int?
        repeat {
            let start = line.upperBound + 2
            guard let next = received.line(from: start) else { return nil }
            line = next
            if received.starts(with: line, "Content-Length: ") { length = received.trailingNumber(of: line) }
        } while !line.isEmpty
        guard let length else { throw LoadError("expected a Content-Length in an answer with status \(code)") }
        let body = line.upperBound + 2
        guard received.count - body >= length else { return nil }
        let status: StatusCode = code == 200 ? .ok : code == 404 ? .notFound : .internal
        return Answer(
            bytes: body + length, status: status.rawValue,
            payload: .init(rebasing: received[status == .ok ? body..<body + length : 0..<15]))
    }

    func fault(in payload: RawSpan, method: Method, key: UInt32) -> String? {
        let body = payload.withUnsafeBytes { Array($0) }
        return body.firstRange(of: shape.value) == nil
            ? "GET: the value is not in the body of \(body.count) bytes" : nil
    }

    /// The status line's beginning.
    func failure(in payload: RawSpan) -> String { payload.text }
}
