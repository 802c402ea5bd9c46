internal import CofferCore

/// RESP 2: `GET` and `SET`, as clients send them, in arrays of bulk strings.
struct RedisWire: TextWire {
    let get: RequestTemplate
    let set: RequestTemplate
    private let check: ValueCheck

    init(shape: RecordShape) {
        let key = "$\(RecordShape.userID.count)\r\n" + String(decoding: RecordShape.userID, as: UTF8.self) + "\r\n"
        get = RequestTemplate("*2\r\n$3\r\nGET\r\n" + key, shape: shape)
        set = RequestTemplate(
            Array("*3\r\n$3\r\nSET\r\n\(key)$\(shape.value.count)\r\n".utf8) + shape.value
                + Array("\r\n".utf8), shape: shape)
        check = ValueCheck(shape: shape, valuesDiffer: true)
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
