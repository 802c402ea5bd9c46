internal import CofferCore

/// RESP 2: `GET` and `SET`, as clients send them, in arrays of bulk strings.
struct RedisWire: Wire {
    static let isOrdered = true

    private let get: RequestTemplate
    private let set: RequestTemplate
    private let check: ValueCheck

    init(shape: RecordShape) {
        let key = "$\(RecordShape.userID.count)\r\n" + String(decoding: RecordShape.userID, as: UTF8.self) + "\r\n"
        get = RequestTemplate("*2\r\n$3\r\nGET\r\n" + key, shape: shape)
        set = RequestTemplate(
            Array("*3\r\n$3\r\nSET\r\n\(key)$\(shape.value.count)\r\n".utf8) + shape.value
                + Array("\r\n".utf8), shape: shape)
        check = ValueCheck(shape: shape, valuesDiffer: true)
    }

    var largestRequest: Int { max(get.bytes.count, set.bytes.count) }

    @inline(__always)
    func write(
        _ method: Method, to place: UnsafeMutableRawPointer, callID: UInt64, sequence: UInt64,
        key: UInt32
    ) -> Int {
        let template = method == .get ? get : set
        template.write(to: place, key: key)
        return template.bytes.count
    }

    /// `$count` and the value, `$-1`, or one line.
    @inline(__always)
    func answer(in received: UnsafeRawBufferPointer) throws(LoadError) -> Answer? {
        guard let line = received.line(from: 0) else { return nil }
        let next = line.upperBound + 2
        guard received.starts(with: line, "$") else {
            let isOK = received.starts(with: line, "+OK")
            return Answer(
                bytes: next, status: (isOK ? StatusCode.ok : .internal).rawValue,
                payload: isOK ? .init(start: nil, count: 0) : .init(rebasing: received[line]))
        }
        guard !received.starts(with: line, "$-1") else {
            return Answer(
                bytes: next, status: StatusCode.notFound.rawValue, payload: .init(rebasing: received[line]))
        }
        let end = next + received.trailingNumber(of: line)
        guard received.count >= end + 2 else { return nil }
        return Answer(
            bytes: end + 2, status: StatusCode.ok.rawValue, payload: .init(rebasing: received[next..<end]))
    }

    func fault(in payload: RawSpan, method: Method, key: UInt32) -> String? {
        method == .get ? check.fault(in: payload, key: key) : nil
    }

    func failure(in payload: RawSpan) -> String { payload.text }
}
