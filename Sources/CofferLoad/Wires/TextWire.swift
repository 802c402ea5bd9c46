/// A protocol in which a Get and a Store differ from the next ones in their key only, and answers come in the order of
/// the requests, without an id.
protocol TextWire: Wire {
    var get: RequestTemplate { get }
    var set: RequestTemplate { get }
}

extension TextWire {
    static var isOrdered: Bool { true }

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
}
