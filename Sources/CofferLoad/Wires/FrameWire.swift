internal import CofferCore

/// Our own protocol: see proto/PROTOCOL.md.
struct FrameWire: Wire {
    static let isOrdered = false

    let get: FrameTemplate
    let store: FrameTemplate
    private let delete: FrameTemplate
    let check: AnswerCheck
    /// The largest answer that is believed.
    private let largestAnswer: Int

    /// - Parameters:
    ///   - valuesDiffer: false for a server that answers with the value of record 0 always.
    ///   - maximumAge: of a Get, in milliseconds; nil = the daemon's own TTL.
    init(shape: RecordShape, valuesDiffer: Bool, maximumAge: UInt64? = nil) {
        get = FrameTemplate(.get, shape: shape, maximumAge: maximumAge)
        store = FrameTemplate(.store, shape: shape)
        delete = FrameTemplate(.delete, shape: shape)
        check = AnswerCheck(shape: shape, valuesDiffer: valuesDiffer)
        largestAnswer = shape.value.count + FrameHeader.bytes + FrameHeader.answerOverhead
    }

    var largestRequest: Int { max(get.frame.count, store.frame.count) }

    @inline(__always)
    func write(
        _ method: Method, to place: UnsafeMutableRawPointer, callID: UInt64, sequence: UInt64,
        key: UInt32
    ) -> Int {
        switch method {
        case .get:
            get.write(to: place, callID: callID, key: key)
            return get.frame.count
        case .store:
            store.write(to: place, callID: callID, key: key)
            return store.frame.count
        case .delete:
            delete.write(to: place, callID: callID, key: key)
            return delete.frame.count
        }
    }

    @inline(__always)
    func answer(in received: UnsafeRawBufferPointer) throws(LoadError) -> Answer? {
        guard received.count >= FrameHeader.bytes, let frame = received.baseAddress else { return nil }
        let length = Int(frame.bigEndian(at: 0, as: UInt32.self))
        let bytes = length + FrameHeader.lengthFieldBytes
        guard bytes >= FrameHeader.bytes, bytes <= largestAnswer else {
            throw LoadError(
                "an answer says it is \(bytes) bytes long; "
                    + "expected \(FrameHeader.bytes) to \(largestAnswer)")
        }
        guard received.count >= bytes else { return nil }
        try checkHeader(frame)
        return Answer(
            bytes: bytes,
            callID: frame.bigEndian(at: FrameHeader.Offset.callID, as: UInt64.self),
            status: frame.bigEndian(at: FrameHeader.Offset.status, as: UInt32.self),
            payload: UnsafeRawBufferPointer(rebasing: received[FrameHeader.bytes..<bytes]))
    }

    /// Refuses what is not the one and only response to a call.
    @inline(__always)
    private func checkHeader(_ frame: UnsafeRawPointer) throws(LoadError) {
        let expected = UInt32(FrameHeader.version) << 24 | UInt32(FrameHeader.Kind.response) << 16
        let got = frame.bigEndian(at: FrameHeader.Offset.version, as: UInt32.self)
        guard got != expected else { return }
        if UInt8(truncatingIfNeeded: got >> 16) == FrameHeader.Kind.goAway {
            throw LoadError("the server is draining: it sent go-away")
        }
        throw LoadError(
            "expected version 1, kind 2 and no flags in an answer, got 0x\(String(got, radix: 16))")
    }

    func fault(in payload: RawSpan, method: Method, key: UInt32) -> String? {
        check.fault(in: payload, method: method, key: key)
    }

    /// The message of a `Failure`.
    func failure(in payload: RawSpan) -> String {
        var text = ""
        var reader = FieldReader()
        while let field = try? reader.next(in: payload) {
            guard case .bytes(2, let range) = field else { continue }
            text = payload.extracting(range).withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        }
        return text
    }
}
