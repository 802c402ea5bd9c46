internal import CofferCore

/// memcached's text protocol: `get KEY`, and `set` without flags or expiry.
struct MemcachedWire: TextWire {
    let get: RequestTemplate
    let set: RequestTemplate
    private let check: ValueCheck

    init(shape: RecordShape) {
        let key = String(decoding: RecordShape.userID, as: UTF8.self)
        get = RequestTemplate("get \(key)\r\n", shape: shape)
        set = RequestTemplate(
            Array("set \(key) 0 0 \(shape.value.count)\r\n".utf8) + shape.value + Array("\r\n".utf8),
            shape: shape)
        check = ValueCheck(shape: shape, valuesDiffer: true)
    }

    /// `VALUE key flags count`, the value, `END`; or one line.
    @inline(__always)
    func answer(in received: UnsafeRawBufferPointer) throws(LoadError) -> Answer? {
        guard let line = received.line(from: 0) else { return nil }
        guard received.starts(with: line, "VALUE ") else {
            let isOK = received.starts(with: line, "STORED")
            let status: StatusCode = isOK ? .ok : received.starts(with: line, "END") ? .notFound : .internal
            return Answer(
                bytes: line.upperBound + 2, status: status.rawValue,
                payload: isOK ? .init(start: nil, count: 0) : .init(rebasing: received[line]))
        }
        let value = line.upperBound + 2
        let end = value + received.trailingNumber(of: line)
        let whole = end + Self.end.utf8CodeUnitCount
        guard received.count >= whole else { return nil }
        guard received.starts(with: end..<whole, Self.end) else {
            throw LoadError("expected END behind a value of \(end - value) bytes")
        }
        return Answer(
            bytes: whole, status: StatusCode.ok.rawValue, payload: .init(rebasing: received[value..<end]))
    }

    private static let end: StaticString = "\r\nEND\r\n"

    func fault(in payload: RawSpan, method: Method, key: UInt32) -> String? {
        method == .get ? check.fault(in: payload, key: key) : nil
    }

    func failure(in payload: RawSpan) -> String { payload.text }
}
